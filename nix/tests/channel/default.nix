{ }: { answer = 42; }
