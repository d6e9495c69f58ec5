//  GatewayTarget.swift — a whole gateway with a stranger, and with a peer who means no good; what they may do is in
//  TestWorld/GatewayFuzz.swift.

import TestWorld

func checkGateway(_ bytes: [UInt8]) throws(Violation) {
  let failures: [String]
  do { failures = try GatewayFuzz.stranger(bytes) } catch { throw Violation("\(error)") }
  try demand(failures.isEmpty, failures.joined(separator: "\n"))
}

func checkCrook(_ bytes: [UInt8]) throws(Violation) {
  let failures: [String]
  do { failures = try GatewayFuzz.crook(bytes) } catch { throw Violation("\(error)") }
  try demand(failures.isEmpty, failures.joined(separator: "\n"))
}
