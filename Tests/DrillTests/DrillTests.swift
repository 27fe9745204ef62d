internal import Testing

/// Faults injected into real builds: `make drill`.
@Suite struct DrillTests {}
