internal import CLibvirt

/// A libvirt call that failed. `Domain` tells by the code what is gone already, `EmbeddedDriver` by the message what to do.
package struct LibvirtError: Error, Hashable, Sendable {
  /// libvirt's `virErrorNumber`; a newer library may send one that is not named here.
  package struct Code: RawRepresentable, Hashable, Sendable {
    package let rawValue: Int32

    package init(rawValue: Int32) {
      self.rawValue = rawValue
    }

    /// The reason is not libvirt's.
    package static let none = Code(rawValue: Int32(VIR_ERR_OK.rawValue))
    /// The domain is not there, or not any more.
    package static let noDomain = Code(rawValue: Int32(VIR_ERR_NO_DOMAIN.rawValue))
    /// The operation does not fit the object's state.
    package static let operationInvalid = Code(rawValue: Int32(VIR_ERR_OPERATION_INVALID.rawValue))
    /// The XML is not well-formed.
    package static let malformedXML = Code(rawValue: Int32(VIR_ERR_XML_DETAIL.rawValue))
  }

  /// What was attempted, as the end of "could not …".
  package var attempt: String
  /// libvirt's number for the reason.
  package var code: Code
  /// libvirt's sentence about the reason.
  package var message: String

  package init(attempt: String, code: Code, message: String) {
    self.attempt = attempt
    self.code = code
    self.message = message
  }
}

extension LibvirtError: CustomStringConvertible {
  package var description: String {
    "libvirt could not \(attempt): \(message)"
  }
}

extension LibvirtError {
  /// The error of the libvirt call that has just failed on this thread.
  ///
  /// libvirt keeps its last error per thread, so this must be read in the same synchronous function as the call.
  static func last(_ attempt: String) -> LibvirtError {
    guard let error = virGetLastError() else {
      return LibvirtError(attempt: attempt, code: .none, message: "it gave no reason")
    }
    let message = error.pointee.message.map { String(cString: $0) } ?? "it gave no reason"
    return LibvirtError(attempt: attempt, code: Code(rawValue: error.pointee.code), message: message)
  }

  /// Passes on what a libvirt call returned, or throws when it is libvirt's sign of failure.
  static func check(_ result: Int32, _ attempt: @autoclosure () -> String) throws(LibvirtError) -> Int32 {
    guard result >= 0 else { throw last(attempt()) }
    return result
  }

  /// Passes on the object that a libvirt call returned, or throws when there is none.
  static func check<Object>(
    _ object: Object?, _ attempt: @autoclosure () -> String
  ) throws(LibvirtError) -> Object {
    guard let object else { throw last(attempt()) }
    return object
  }
}
