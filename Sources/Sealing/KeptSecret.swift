//  KeptSecret.swift — a secret inside a plain value: shared by reference, never printed, wiped with its last holder.
//
//  A configuration, or an engine's settings, is a value that is copied, compared and passed around; a `Secret` can do
//  none of that, on purpose. So the value holds a reference to one. Comparing takes a time that does not depend on
//  where two secrets differ.

public final class KeptSecret: Equatable, Sendable, CustomStringConvertible {
  private let secret: Secret

  public init(_ secret: consuming Secret) { self.secret = secret }

  /// A secret of one's own, for whoever computes with it. Keep it as short as it is needed.
  public func copied() -> Secret { Secret(copying: secret) }

  public static func == (a: KeptSecret, b: KeptSecret) -> Bool {
    unsafe isEqualInConstantTime(a.secret.bytes, b.secret.bytes)
  }

  /// What logs and test failures may show.
  public var description: String { "(secret)" }
}
