//  GatewayTarget.swift — a whole gateway and a stranger; what he may do is in TestWorld/GatewayFuzz.swift.

import TestWorld

func checkGateway(_ bytes: [UInt8]) throws(Violation) {
  let failures: [String]
  do { failures = try GatewayFuzz.stranger(bytes) } catch { throw Violation("\(error)") }
  try demand(failures.isEmpty, failures.joined(separator: "\n"))
}
