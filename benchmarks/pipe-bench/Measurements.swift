//  Measurements.swift — how each question is asked.
//
//  A cost is the difference of two readings around everything that the flow did, its first second included, over what
//  went through the gateway's interface in the same time. So no part of the work is left out, and none is counted that
//  carried nothing.

import Glibc
import Lab
import Primitives

/// One TCP flow by iperf3.
struct Bulk {
  let congestionControl: String
  let seconds: Int

  func measure(_ joined: JoinedSites, on stand: TestStand) throws(LabError) -> [Double?] {
    let group = stand.newGroup()
    _ = try group.start(["iperf3", "-s", "-1", "-B", joined.listener.address], in: joined.listener.namespace)
    try stand.wait(.milliseconds(200))
    let before = try joined.readings()
    let client = try group.start(
      [
        "iperf3", "-c", joined.listener.address, "-B", joined.opener.address, "-C", congestionControl, "-O", "1", "-t",
        String(seconds), "-i", "0", "-J", "--connect-timeout", "5000",
      ], in: joined.opener.namespace)
    try stand.wait(warmUp)
    let warm = try joined.readings()
    guard try group.wait(atMost: .seconds(Int64(seconds) + 20), until: { $0.status(of: client) != nil }) else {
      throw LabError("iperf3 did not end in time: the connection hangs", exitCode: 1)
    }
    let after = try joined.readings()
    let costs = zip(before, after).map { before, after -> Double? in
      guard let before, let after else { return nil }
      let bytes = after.taken.bytes - before.taken.bytes + after.written.bytes - before.written.bytes
      return bytes == 0 ? nil : nanoseconds(before, after) / 1e3 / (Double(bytes) / 65_536)
    }
    do throws(Iperf3Report.Failure) {
      return [try Iperf3Report(parsing: group.output(of: client)).goodputBitsPerSecond] + costs + needs(warm, after)
    } catch {
      throw LabError("\(error); \(group.complaint(of: client))", exitCode: 1)
    }
  }
}

/// UDP packets as fast as they can be sent, or at a rate.
struct Flood {
  /// A path of 1,500 bytes carries that in one datagram of a tunnel that adds 44 bytes.
  static let size = 1_400
  /// IPv4 and UDP: what the interface counts once for each packet, or for each super-packet.
  private static let headers: UInt64 = 28

  let seconds: Int
  let rate: Int
  var sockets = 1
  var ports = 1
  var pieces = 1
  var burst = 64

  func measure(_ joined: JoinedSites, on stand: TestStand) throws(LabError) -> [Double?] {
    let group = stand.newGroup()
    let own = "/proc/self/exe"
    let shared = ["--ports", String(ports), "--size", String(Flood.size)]
    let receiver = try group.start(
      [own, "receive"] + shared + (pieces > 1 ? ["--joined"] : []), in: joined.listener.namespace)
    guard try group.wait(atMost: .seconds(5), until: { !$0.output(of: receiver).isEmpty }) else {
      throw LabError("the receiver did not start; \(group.complaint(of: receiver))", exitCode: 1)
    }
    let before = try joined.readings()
    let sender = try group.start(
      [own, "send"] + shared + [
        "--sockets", String(sockets), "--pieces", String(pieces), "--burst", String(burst), "--rate", String(rate),
        "--seconds", String(seconds), joined.listener.address,
      ], in: joined.opener.namespace)
    try stand.wait(warmUp)
    let warm = try joined.readings()
    guard try group.wait(atMost: .seconds(Int64(seconds) + 20), until: { $0.status(of: sender) != nil }) else {
      throw LabError("the sender did not end in time", exitCode: 1)
    }
    // What is still on its way.
    try stand.wait(.milliseconds(200))
    let after = try joined.readings()
    group.send(signal: SIGTERM, to: receiver)
    _ = try group.wait(atMost: .seconds(5)) { $0.status(of: receiver) != nil }
    guard let sent = numbers(group.output(of: sender)).first, sent > 0,
      let received = numbers(group.output(of: receiver)).first
    else {
      throw LabError("no counts; \(group.complaint(of: sender)) \(group.complaint(of: receiver))", exitCode: 1)
    }
    let time = Double(seconds)
    return [sent / time, received / time, max(0, 1 - received / sent)]
      + [
        cost(before[0], after[0]) { $0.taken }, cost(before[1], after[1]) { $0.written },
      ] + needs(warm, after)
  }

  private func cost(
    _ before: JoinedSites.Gateway.Reading?, _ after: JoinedSites.Gateway.Reading?,
    _ traffic: (JoinedSites.Gateway.Reading) -> (packets: UInt64, bytes: UInt64)
  ) -> Double? {
    guard let before, let after else { return nil }
    let transfers = traffic(after).packets - traffic(before).packets
    let bytes = traffic(after).bytes - traffic(before).bytes
    let packets = Double(bytes - transfers * Flood.headers) / Double(Flood.size)
    return packets < 1 ? nil : nanoseconds(before, after) / packets
  }

  /// Our sender and receiver print numbers, the receiver after a word that it is ready.
  private func numbers(_ output: [UInt8]) -> [Double] {
    String(decoding: output, as: UTF8.self).split(whereSeparator: \.isWhitespace).compactMap { Double($0) }
  }
}

/// A thousand pings with nothing beside them.
struct RoundTrips {
  func measure(_ joined: JoinedSites, on stand: TestStand) throws(LabError) -> [Double?] {
    let group = stand.newGroup()
    let ping = try group.start(
      ["ping", "-n", "-c", "1000", "-i", "0.004", "-I", joined.opener.address, joined.listener.address],
      in: joined.opener.namespace)
    guard try group.wait(atMost: .seconds(60), until: { $0.status(of: ping) != nil }) else {
      throw LabError("ping did not end within a minute", exitCode: 1)
    }
    let times = PingReport(parsing: group.output(of: ping)).milliseconds
    return [times.median, times.quantile(0.99)].map { $0.map { $0 * 1e3 } }
  }
}

/// What gateways do that have nothing to do.
struct Idleness {
  let seconds: Int

  func measure(_ joined: JoinedSites, on stand: TestStand) throws(LabError) -> [Double?] {
    // The pings that showed that it works are over, and so is what they started.
    try stand.wait(.seconds(2))
    let before = try joined.readings()
    try stand.wait(.seconds(Int64(seconds)))
    let pairs = zip(before, try joined.readings()).map { before, after in
      before.flatMap { before in after.map { (before, $0) } }
    }
    let time = Double(seconds)
    return pairs.map { $0.map { Double($0.1.usage.sleeps - $0.0.usage.sleeps) / time } }
      + pairs.map { $0.map { nanoseconds($0.0, $0.1) / 1e9 / time } }
      + pairs.map { $0.map { Double($0.1.usage.residentMemory.value) } }
  }
}

extension JoinedSites {
  fileprivate func readings() throws(LabError) -> [Gateway.Reading?] {
    try gateways.map { (gateway) throws(LabError) in try gateway.read() }
  }
}

/// Until every buffer was used: what a gateway touches for the first time is no part of what a packet costs.
private let warmUp = Interval.milliseconds(1_500)

/// Page faults of each gateway since it is warm, and the memory that it holds now.
private func needs(
  _ warm: [JoinedSites.Gateway.Reading?], _ after: [JoinedSites.Gateway.Reading?]
) -> [Double?] {
  zip(warm, after).map { warm, after in
    guard let warm, let after else { return nil }
    return Double(after.usage.pageFaults - warm.usage.pageFaults)
  } + after.map { $0.map { Double($0.usage.residentMemory.value) } }
}

private func nanoseconds(_ before: JoinedSites.Gateway.Reading, _ after: JoinedSites.Gateway.Reading) -> Double {
  Double((after.usage.processorTime - before.usage.processorTime).nanoseconds)
}
