//  Specimen.swift — packets made by hand, and the plain way to check one: neither uses code of the module under test.

import Packets
import Primitives

struct Specimen {
  var family = IPAddress.Family.ipv4
  var transport: UInt8 = 6
  var source: [UInt8]
  var destination: [UInt8]
  var sourcePort: UInt16 = 40_000
  var destinationPort: UInt16 = 443
  var payload: [UInt8] = []
  var trafficClass: UInt8 = 0
  var flowLabel: UInt32 = 0x12345
  var ttl: UInt8 = 64
  // IPv4
  var options: [UInt8] = []
  var identification: UInt16 = 7
  var fragment: UInt16 = 0x4000
  // IPv6: each is a kind and what follows the byte that names the next
  var extensions: [(kind: UInt8, rest: [UInt8])] = []
  // TCP
  var sequence: UInt32 = 1_000
  var acknowledgment: UInt32 = 5
  var tcpFlags: UInt8 = 0x18
  var urgent: UInt16 = 0
  var tcpOptions: [UInt8] = []
  var isPartial = false

  init(_ family: IPAddress.Family = .ipv4, transport: UInt8 = 6, payload: Int = 0) {
    self.family = family
    self.transport = transport
    source = family == .ipv4 ? [192, 0, 2, 1] : [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    destination = family == .ipv4 ? [198, 51, 100, 2] : [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 2]
    self.payload = (0..<payload).map { UInt8(truncatingIfNeeded: $0 &* 7 ^ $0 >> 8) }
  }

  var transportHeader: [UInt8] {
    switch transport {
    case 6:
      big(sourcePort) + big(destinationPort) + big(sequence) + big(acknowledgment)
        + [UInt8(5 + tcpOptions.count / 4) << 4, tcpFlags] + big(UInt16(500)) + [0, 0] + big(urgent) + tcpOptions
    case 17:
      big(sourcePort) + big(destinationPort) + big(UInt16(truncatingIfNeeded: 8 + payload.count)) + [0, 0]
    default: []
    }
  }

  var networkLength: Int {
    family == .ipv4 ? 20 + options.count : 40 + extensions.reduce(0) { $0 + 1 + $1.rest.count }
  }

  var headerLength: Int { networkLength + transportHeader.count }

  var bytes: [UInt8] {
    let body = transportHeader + payload
    var packet: [UInt8] = []
    if family == .ipv4 {
      packet += [0x40 | UInt8(5 + options.count / 4), trafficClass]
      packet += big(UInt16(truncatingIfNeeded: networkLength + body.count))
      packet += big(identification) + big(fragment) + [ttl, transport, 0, 0] + source + destination + options
      let sum = ~plainSum(packet)
      packet[10] = UInt8(sum >> 8)
      packet[11] = UInt8(sum & 255)
    } else {
      packet += big(UInt32(6) << 28 | UInt32(trafficClass) << 20 | flowLabel)
      packet += big(UInt16(truncatingIfNeeded: networkLength - 40 + body.count))
      packet += [extensions.first?.kind ?? transport, ttl] + source + destination
      for (index, header) in extensions.enumerated() {
        packet += [index + 1 < extensions.count ? extensions[index + 1].kind : transport] + header.rest
      }
    }
    packet += body
    if let place = checksumPlace {
      let pseudo = pseudoHeader(length: body.count)
      var sum = isPartial ? plainSum(pseudo) : ~plainSum(pseudo + body)
      if !isPartial && transport == 17 && sum == 0 { sum = 0xffff }
      packet[networkLength + place] = UInt8(sum >> 8)
      packet[networkLength + place + 1] = UInt8(sum & 255)
    }
    return packet
  }

  var checksumPlace: Int? { transport == 6 ? 16 : transport == 17 ? 6 : nil }

  func pseudoHeader(length: Int) -> [UInt8] { source + destination + big(UInt32(length)) + [0, 0, 0, transport] }
}

func big(_ number: UInt16) -> [UInt8] { [UInt8(number >> 8), UInt8(number & 255)] }
func big(_ number: UInt32) -> [UInt8] { big(UInt16(number >> 16)) + big(UInt16(number & 0xffff)) }

func number16(_ bytes: [UInt8], _ at: Int) -> UInt16 { UInt16(bytes[at]) << 8 | UInt16(bytes[at + 1]) }
func number32(_ bytes: [UInt8], _ at: Int) -> UInt32 {
  UInt32(number16(bytes, at)) << 16 | UInt32(number16(bytes, at + 2))
}

/// As in RFC 1071's first example: word by word, the carry added at once.
func plainSum(_ bytes: [UInt8]) -> UInt16 {
  var sum: UInt32 = 0
  for at in stride(from: 0, to: bytes.count, by: 2) {
    sum += UInt32(bytes[at]) << 8 | (at + 1 < bytes.count ? UInt32(bytes[at + 1]) : 0)
    if sum > 0xffff { sum -= 0xffff }
  }
  return UInt16(sum)
}

/// Whether the checksum of a finished TCP or UDP packet is right, by the plain way.
func isRight(_ packet: [UInt8], like specimen: Specimen) -> Bool {
  let body = Array(packet[specimen.networkLength...])
  return plainSum(specimen.pseudoHeader(length: body.count) + body) == 0xffff
}

func view(_ bytes: [UInt8]) throws(PacketView.Defect) -> PacketView {
  var result = Result<PacketView, PacketView.Defect>.failure(.tooShort)
  bytes.withUnsafeBytes { raw in
    do throws(PacketView.Defect) {
      result = .success(try PacketView(raw))
    } catch {
      result = .failure(error)
    }
  }
  return try result.get()
}

func view(headers bytes: [UInt8]) throws(PacketView.Defect) -> PacketView {
  var result = Result<PacketView, PacketView.Defect>.failure(.tooShort)
  bytes.withUnsafeBytes { raw in
    do throws(PacketView.Defect) {
      result = .success(try PacketView(headers: raw))
    } catch {
      result = .failure(error)
    }
  }
  return try result.get()
}
