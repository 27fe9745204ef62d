import EFIVariables
import Foundation
import Testing

@Suite("JSON of variables")
struct VariablesJSONTests {
  private static let guid = "8be4df61-93ca-11d2-aa0d-00e098032b8c"

  @Test("What virt-fw-vars writes is read")
  func read() throws {
    let json = """
      {"version": 2, "variables": [
        {"name": "BootNext", "guid": "\(Self.guid)", "attr": 7, "data": "0100"},
        {"name": "PK", "guid": "\(Self.guid)", "attr": 39, "data": "aB",
         "time": "e907030a02351e000000000000000000"}]}
      """
    let time = EFITime(year: 2025, month: 3, day: 10, hour: 2, minute: 53, second: 30)
    #expect(
      try VariablesJSON.decode(Data(json.utf8)) == [
        Variable(.bootNext, .standard, [1, 0]),
        Variable(.platformKey, .signatureDatabase, [0xab], time: time),
      ])
    #expect(time.description == "2025-03-10 02:53:30")
  }

  @Test(
    "Bad documents are refused",
    arguments: [
      "", "[]", "{}", #"{"version":1,"variables":[]}"#, #"{"version":2}"#,
      entry(#""name":"","guid":"\#(guid)","attr":7,"data":"00""#),
      entry(#""name":"A","guid":"8be4df61","attr":7,"data":"00""#),
      entry(#""name":"A","guid":"\#(guid)","attr":-7,"data":"00""#),
      entry(#""name":"A","guid":"\#(guid)","attr":7,"data":"0""#),
      entry(#""name":"A","guid":"\#(guid)","attr":7,"data":"0g""#),
      entry(#""name":"A","guid":"\#(guid)","attr":7,"data":"""#),
      entry(#""name":"A","guid":"\#(guid)","attr":7,"data":"00","time":"00""#),
      entry(#""name":"A","guid":"\#(guid)","attr":7,"data":"00""#, count: 2),
    ])
  func refuse(json: String) throws {
    #expect(throws: DecodingError.self) { try VariablesJSON.decode(Data(json.utf8)) }
  }

  private static func entry(_ fields: String, count: Int = 1) -> String {
    #"{"version":2,"variables":["# + Array(repeating: "{\(fields)}", count: count).joined(separator: ",")
      + "]}"
  }
}
