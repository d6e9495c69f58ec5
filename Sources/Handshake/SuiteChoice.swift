//  SuiteChoice.swift — which cipher two gateways use, when each has a favourite.
//
//  The same rule whoever begins, or the cipher would change with every other rekey. If both have the same favourite, it
//  is that. If not, one of them has no AES in hardware: AES would cost him much more than ChaCha20 costs the other, so
//  it is ChaCha20-Poly1305. Both sets travel inside what is authenticated, so nobody between them can shorten one.

import Sealing

extension CipherSuites {
  init(_ suites: [CipherSuite]) { self = suites.reduce(into: []) { $0.formUnion(CipherSuites($1)) } }

  /// nil when they have none in common.
  static func choose(_ ours: CipherSuites, favourite: UInt8, _ theirs: CipherSuites, favourite other: UInt8)
    -> CipherSuite?
  {
    let common = ours.intersection(theirs)
    if favourite == other, let suite = CipherSuite(rawValue: favourite), common.contains(suite) { return suite }
    if common.contains(.chaCha20Poly1305) { return .chaCha20Poly1305 }
    return CipherSuite.allCases.first { common.contains($0) }
  }
}
