//  SelfSigned.swift — a certificate for a server that has no authority above it: whoever shall trust it gets a copy.
//
//  P-256, since every client of the last ten years knows it; ten years, since nobody renews what he handed out by hand.

import COpenSSL
import Sealing

public struct SelfSigned: Sendable {
  /// PEM, both.
  public let certificate: [UInt8]
  public let key: [UInt8]

  public static let days = 3_650
  /// A file with more names is better made with a real authority.
  public static let mostNames = 64

  /// `names`: `DNS:oracle.example.net`, `IP:192.0.2.1`. nil when OpenSSL finds one wrong, or has no memory.
  public init?(for names: [String]) {
    guard !names.isEmpty, names.count <= SelfSigned.mostNames,
      names.allSatisfy({ name in name.utf8.allSatisfy { $0 > 32 && $0 < 127 && $0 != UInt8(ascii: ",") } }),
      let pair = SelfSigned.pair()
    else { return nil }
    defer { EVP_PKEY_free(pair) }
    guard let page = X509_new() else { return nil }
    defer { X509_free(page) }
    var serial: UInt64 = 0
    guard RAND_bytes(&serial, Int32(MemoryLayout<UInt64>.size)) == 1,
      X509_set_version(page, 2) == 1, ASN1_INTEGER_set_uint64(X509_get_serialNumber(page), serial >> 1 | 1) == 1,
      X509_gmtime_adj(X509_getm_notBefore(page), -86_400) != nil,
      X509_gmtime_adj(X509_getm_notAfter(page), SelfSigned.days * 86_400) != nil,
      X509_set_pubkey(page, pair) == 1, let subject = X509_get_subject_name(page),
      X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, "path-oracle", -1, -1, 0) == 1,
      X509_set_issuer_name(page, subject) == 1,
      SelfSigned.add(NID_basic_constraints, "critical,CA:TRUE", to: page),
      SelfSigned.add(NID_subject_alt_name, names.joined(separator: ","), to: page),
      X509_sign(page, pair, EVP_sha256()) > 0,
      let certificate = SelfSigned.text({ PEM_write_bio_X509($0, page) }),
      let key = SelfSigned.text({ PEM_write_bio_PrivateKey($0, pair, nil, nil, 0, nil, nil) })
    else { return nil }
    self.certificate = certificate
    self.key = key
  }

  private static func pair() -> OpaquePointer? {
    guard let context = EVP_PKEY_CTX_new_id(EVP_PKEY_EC, nil) else { return nil }
    defer { EVP_PKEY_CTX_free(context) }
    var pair: OpaquePointer?
    guard EVP_PKEY_keygen_init(context) == 1,
      EVP_PKEY_CTX_set_ec_paramgen_curve_nid(context, NID_X9_62_prime256v1) == 1,
      EVP_PKEY_keygen(context, &pair) == 1
    else { return nil }
    return pair
  }

  private static func add(_ kind: Int32, _ value: String, to page: OpaquePointer) -> Bool {
    guard let extra = X509V3_EXT_conf_nid(nil, nil, kind, value) else { return false }
    defer { X509_EXTENSION_free(extra) }
    return X509_add_ext(page, extra, -1) == 1
  }

  private static func text(_ write: (OpaquePointer) -> Int32) -> [UInt8]? {
    guard let memory = BIO_new(BIO_s_mem()) else { return nil }
    defer { BIO_free(memory) }
    guard write(memory) == 1 else { return nil }
    var text = [UInt8](repeating: 0, count: 8_192)
    let count = text.withUnsafeMutableBytes { BIO_read(memory, $0.baseAddress, Int32($0.count)) }
    return count > 0 && count < text.count ? Array(text.prefix(Int(count))) : nil
  }
}
