_: _: throw "not yet"
