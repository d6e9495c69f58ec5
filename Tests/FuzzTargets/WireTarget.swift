//  WireTarget.swift — every reader of Sources/Wire on the same bytes: a value or nothing, and a value writes what was
//  read.

import Wire

func checkWire(_ bytes: [UInt8]) throws(Violation) {
  if let header = unsafe bytes.withUnsafeBytes({ unsafe ClearHeader($0) }) {
    try demand(bytes.count >= DataHeader.overhead, "a data datagram of \(bytes.count) bytes")
    try demand(header.counter <= DataHeader.mostCounter, "counter \(header.counter)")
    unsafe try demand(
      written(12) { unsafe header.write(to: $0) } == Array(bytes[..<12]), "\(header) writes other bytes")
  }
  if bytes.count >= 16 {
    let location = unsafe bytes.withUnsafeBytes { unsafe Location($0.baseAddress.unsafelyUnwrapped) }
    unsafe try demand(
      written(16) { unsafe location.write(to: $0) } == Array(bytes[..<16]), "\(location) writes other bytes")
  }
  if let record = unsafe bytes.withUnsafeBytes({ unsafe ResumeRecord($0) }) {
    try demand(record.length <= bytes.count && record.length <= ResumeRecord.mostLength, "\(record) is too long")
    unsafe try demand(written(4) { unsafe record.write(to: $0) } == Array(bytes[..<4]), "\(record) writes other bytes")
  }
  for extra in UInt8(0)...21 {
    guard let header = unsafe bytes.withUnsafeBytes({ unsafe ParityHeader(extra: extra, $0) }) else { continue }
    try demand(header.extra == extra, "\(header) is not of the place \(extra)")
    unsafe try demand(written(4) { unsafe header.write(to: $0) } == Array(bytes[..<4]), "\(header) writes other bytes")
  }
  if bytes.count >= MemberImage.prefix,
    let image = unsafe bytes.withUnsafeBytes({ unsafe MemberImage($0.baseAddress.unsafelyUnwrapped, lane: 1) })
  {
    unsafe try demand(
      written(16) { unsafe image.write(to: $0) } == Array(bytes[..<16]), "\(image) writes other bytes")
  }
  if let message = unsafe bytes.withUnsafeBytes({ unsafe ControlMessage($0) }) {
    let again = unsafe written(ControlMessage.length) { unsafe message.write(to: $0) }
    try demand(
      unsafe again.withUnsafeBytes { unsafe ControlMessage($0) } == message, "\(message) reads back differently")
  }
  try checkControlText(bytes)
  if let header = unsafe bytes.withUnsafeBytes({ unsafe HandshakeHeader($0) }) {
    try demand(header.length == bytes.count, "\(header) with \(bytes.count) bytes")
    let again = unsafe written(12) { unsafe header.write(to: $0) }
    try demand(again[..<8] == bytes[..<8], "\(header) writes other bytes")
  }
  if let question = unsafe bytes.withUnsafeBytes({ unsafe RelayQuestion($0) }) {
    unsafe try demand(written(20) { unsafe question.write(to: $0) } == bytes, "\(question) writes other bytes")
  }
  if let payload = unsafe bytes.withUnsafeBytes({ unsafe InitiationPayload($0) }) {
    let again = unsafe written(InitiationPayload.length) { unsafe payload.write(to: $0) }
    try demand(again[..<22] == bytes[..<22], "\(payload) writes other bytes")
    try demand(payload.time < payload.time.advanced(byNanoseconds: 1) || payload.time.seconds == .max, "time stands")
  }
  if let payload = unsafe bytes.withUnsafeBytes({ unsafe ResponsePayload($0) }) {
    let again = unsafe written(ResponsePayload.length) { unsafe payload.write(to: $0) }
    try demand(again[..<9] == bytes[..<9], "\(payload) writes other bytes")
  }
}

/// What a text's messages say is written into a text of the same messages, and no shorter room takes it.
private func checkControlText(_ bytes: [UInt8]) throws(Violation) {
  let messages = read(bytes)
  try demand(messages.count * GivingUp.length <= bytes.count, "\(messages.count) messages in \(bytes.count) bytes")
  for message in messages {
    guard case .report(let report) = message else { continue }
    try demand(report.missingRuns <= PathReport.mostMissingRuns, "\(report) has too many runs")
    if report.isConsistent {
      try demand(report.oldest <= report.newest && report.span > 0, "\(report) speaks of nothing")
    }
  }
  let (again, count) = write(messages, room: bytes.count)
  try demand(count == messages.count, "\(messages) are longer than what they were read from")
  try demand(read(again) == messages, "\(messages) read back differently")
  if !again.isEmpty {
    try demand(write(messages, room: again.count - 1).count == count - 1, "a message was written beyond its room")
  }
}

private func read(_ bytes: [UInt8]) -> [ControlReader.Message] {
  unsafe bytes.withUnsafeBytes { bytes in
    var reader = unsafe ControlReader(bytes)
    var messages: [ControlReader.Message] = []
    while let message = reader.next() { messages.append(message) }
    return messages
  }
}

private func write(_ messages: [ControlReader.Message], room: Int) -> (bytes: [UInt8], count: Int) {
  var bytes = [UInt8](repeating: 0xa5, count: room)
  let (length, count) = unsafe bytes.withUnsafeMutableBytes { bytes in
    var writer = unsafe ControlWriter(bytes)
    var count = 0
    for message in messages {
      let fits =
        switch message {
        case .probe(let message): writer.append(message)
        case .report(let report): writer.append(report)
        case .plan(let plan): writer.append(plan)
        case .giveUp(let giving): writer.append(giving)
        case .size(let message): writer.append(message)
        case .terms(let terms): writer.append(terms)
        case .relay(let message): writer.append(message)
        case .sighting(let sighting): writer.append(sighting)
        }
      if !fits { break }
      count += 1
    }
    return (writer.written, count)
  }
  return (Array(bytes[..<length]), count)
}

private func written(_ count: Int, _ write: (UnsafeMutableRawPointer) -> Void) -> [UInt8] {
  var bytes = [UInt8](repeating: 0, count: count)
  unsafe bytes.withUnsafeMutableBytes { unsafe write($0.baseAddress.unsafelyUnwrapped) }
  return bytes
}
