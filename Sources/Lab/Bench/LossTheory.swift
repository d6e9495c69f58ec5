//  LossTheory.swift — what a protection can be expected to leave lost, when every datagram is lost by itself.

public enum LossTheory {
  /// Of what was sent twice over two paths, when each path loses this share of its own.
  public static func copies(_ first: Double, _ second: Double) -> Double { first * second }

  /// Of packets in groups of `data` with `parity` more, each datagram lost with this probability: one stays lost when
  /// it is, and fewer than `data` of the others of its group arrived.
  public static func parity(data: Int, parity: Int, loss: Double) -> Double {
    let others = data + parity - 1
    var tooFew = 0.0
    for arrived in 0..<data {
      tooFew += binomial(others, arrived) * power(1 - loss, arrived) * power(loss, others - arrived)
    }
    return loss * tooFew
  }

  private static func binomial(_ n: Int, _ k: Int) -> Double {
    (0..<k).reduce(1.0) { $0 * Double(n - $1) / Double($1 + 1) }
  }

  private static func power(_ base: Double, _ exponent: Int) -> Double {
    (0..<exponent).reduce(1.0) { product, _ in product * base }
  }
}
