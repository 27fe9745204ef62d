import Testing

@testable import ImageModel

@Suite struct FilesystemTraitsTests {
  @Test func eachKindIsListedOnceWithAProgramThatMakesIt() {
    #expect(Set(FilesystemTraits.all.map(\.kind)).count == FilesystemTraits.all.count)
    for traits in FilesystemTraits.all {
      #expect(traits.kind.tool == traits.programs.first?.name, "\(traits.kind.rawValue)")
      #expect(traits.kind.isKnown)
    }
  }

  @Test func aKindThatIsNotKnownHasTheToolOfItsName() throws {
    let kind = try #require(FilesystemKind(rawValue: "bcachefs"))
    #expect(kind.tool == "mkfs.bcachefs" && kind.driver == "bcachefs")
    #expect(!kind.isKnown && kind.writable == nil && !kind.isReadOnly)
  }
}
