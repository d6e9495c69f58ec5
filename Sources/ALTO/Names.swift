//  Names.swift — how ALTO spells names, tags and media types.

/// A name of RFC 7285 §10.1: of a PID, a resource, a substream, an element of a path.
enum Name {
  static let mostLength = 64

  /// The separator '.' is not for names: it stands between a resource and what is its own (`map.pid`).
  static func isValid(_ text: String) -> Bool {
    !text.isEmpty && text.utf8.count <= mostLength && text.utf8.allSatisfy { isNameByte($0) }
  }

  static func isNameByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "-"), UInt8(ascii: ":"), UInt8(ascii: "@"),
      UInt8(ascii: "_"):
      true
    default: false
    }
  }

  /// A version's tag, §10.3: anything that can be seen.
  static func isTag(_ text: String) -> Bool {
    !text.isEmpty && text.utf8.count <= 64 && text.utf8.allSatisfy { (0x21...0x7e).contains($0) }
  }
}

/// Never with a `charset`: the registrations have none, and clients compare for equality.
enum MediaType {
  static let directory = "application/alto-directory+json"
  static let networkMap = "application/alto-networkmap+json"
  static let networkMapFilter = "application/alto-networkmapfilter+json"
  static let costMap = "application/alto-costmap+json"
  static let costMapFilter = "application/alto-costmapfilter+json"
  static let endpointProperties = "application/alto-endpointprop+json"
  static let endpointPropertyParameters = "application/alto-endpointpropparams+json"
  static let endpointCost = "application/alto-endpointcost+json"
  static let endpointCostParameters = "application/alto-endpointcostparams+json"
  static let propertyMap = "application/alto-propmap+json"
  static let updateParameters = "application/alto-updatestreamparams+json"
  static let updateControl = "application/alto-updatestreamcontrol+json"
  static let error = "application/alto-error+json"
  static let events = "text/event-stream"
  static let plain = "text/plain"

  static func related(_ type: String) -> String { "multipart/related;type=\(type)" }

  /// `type/subtype` in small letters, without parameters and blanks.
  static func essence(_ text: some StringProtocol) -> String {
    let end = text.firstIndex(of: ";") ?? text.endIndex
    return String(text[..<end].filter { $0 != " " && $0 != "\t" }).lowercased()
  }

  /// Whether an Accept header takes this type; none takes everything. `q=0` refuses what it stands behind.
  static func isAccepted(_ type: String, by accept: String?) -> Bool {
    guard let accept else { return true }
    let wanted = essence(type)
    let family = wanted.prefix { $0 != "/" } + "/*"
    for range in accept.split(separator: ",") {
      let name = essence(range)
      guard name == wanted || name == family || name == "*/*" else { continue }
      let parameters = range.split(separator: ";").dropFirst().map { essence($0) }
      let isRefused = parameters.contains { ["q=0", "q=0.", "q=0.0", "q=0.00", "q=0.000"].contains($0) }
      if !isRefused { return true }
    }
    return false
  }
}

/// The same text gives the same 32 digits, on every machine: a tag for what was computed. Two that differ by accident
/// differ here; who forges a collision fools his own cache.
func fingerprint(_ text: [UInt8]) -> String {
  func fnv(_ offset: UInt64) -> String {
    var hash = offset
    for byte in text { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
    let digits = String(hash, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }
  return fnv(0xcbf2_9ce4_8422_2325) + fnv(0x6c62_272e_07bb_0142)
}
