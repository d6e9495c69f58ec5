//  SpeedReport.swift — all figures of a machine, as people and as programs read them.

public import Crypto
public import Primitives
import Sealing

public struct SpeedReport: Equatable, Sendable {
  public var cipher: String
  /// Bytes a second.
  public var copy: Double
  /// Nanoseconds for a datagram of 1,400 bytes.
  public var seal: Double
  public var open: Double
  public var engines: [EngineCost]
  public var network: TransferCost?
  /// Why there is none.
  public var networkReason: String?
  public var tunnel: TransferCost?
  public var tunnelReason: String?

  public init(
    cipher: String, copy: Double, seal: Double, open: Double, engines: [EngineCost], network: TransferCost?,
    networkReason: String? = nil, tunnel: TransferCost?, tunnelReason: String? = nil
  ) {
    self.cipher = cipher
    self.copy = copy
    self.seal = seal
    self.open = open
    self.engines = engines
    self.network = network
    self.networkReason = networkReason
    self.tunnel = tunnel
    self.tunnelReason = tunnelReason
  }

  /// Takes about so long, on this thread.
  public static func measure(_ cryptography: LibraryCryptography, for time: Interval) -> SpeedReport {
    // Copying, the cipher, engines for one path and for three, the kernel twice.
    let budget = Int(time.nanoseconds) / 6
    let cipher = cryptography.suites.first.map { "\($0) (\(cryptography.implementation(of: $0)))" } ?? ""
    let (seal, open) = CipherSpeed.datagram(cryptography, within: budget)
    var report = SpeedReport(
      cipher: cipher, copy: CipherSpeed.copy(within: budget), seal: seal, open: open,
      engines: [1, 3].map { EngineCost.measure(paths: $0, cryptography, within: budget) }, network: nil, tunnel: nil)
    do throws(Unmeasured) { report.network = try KernelSpeed.datagrams(within: budget) } catch {
      report.networkReason = error.reason
    }
    do throws(Unmeasured) { report.tunnel = try KernelSpeed.tunnel(within: budget) } catch {
      report.tunnelReason = error.reason
    }
    return report
  }

  public var expectations: [Expectation] {
    guard let network else { return [] }
    return engines.map { Expectation($0, network: network, tunnel: tunnel) }
  }

  /// What one may expect, in one sentence.
  public var sentence: String {
    guard let first = expectations.first else {
      return "No rate can be promised, since the kernel's part could not be measured: \(networkReason ?? "")."
    }
    var text =
      "Expect about \(rate(first.bitsPerSecond)) of one TCP flow one way over one path: the gateway that is "
      + "\(first.side.rawValue) is the slower one, and \(first.bottleneck) takes "
      + "\(Int((first.share * 100).rounded())) % of what it does"
    if let last = expectations.last, last.paths != first.paths,
      abs(last.bitsPerSecond / first.bitsPerSecond - 1) >= 0.05
    {
      text += "; over \(last.paths) paths about \(rate(last.bitsPerSecond))"
    }
    return text + (tunnel == nil ? ". The virtual interface is not in it, so it will be less." : ".")
  }

  private func rate(_ bits: Double) -> String { "\(plainDecimal(bits / 1e9, decimals: 1)) Gbit/s" }

  // MARK: In words

  public var text: String {
    func microseconds(_ nanoseconds: Double) -> String { plainDecimal(nanoseconds / 1_000, decimals: 1) + " µs" }
    func each(_ nanoseconds: Double) -> String { "\(Int(nanoseconds.rounded())) ns" }
    var rows = [
      ["cipher", cipher, ""],
      ["seal and open", "\(each(seal)) and \(each(open))", "a datagram of 1,400 bytes"],
      ["copy", "\(plainDecimal(copy / 1e9, decimals: 1)) GB/s", "memory to memory"],
    ]
    for engine in engines {
      let over = engine.paths == 1 ? "one path" : "\(engine.paths) paths"
      rows.append([
        "engine, \(over)", "\(microseconds(engine.sending)) out, \(microseconds(engine.receiving)) in",
        "64 KiB of a TCP, with the cipher",
      ])
      rows.append([
        "", "\(each(engine.smallSending)) out, \(each(engine.smallReceiving)) in", "a packet of 200 bytes",
      ])
    }
    rows.append([
      "kernel's UDP", network.map { "\(microseconds($0.out)) out, \(microseconds($0.into)) in" } ?? "not measured",
      networkReason ?? "64 KiB in a batch, over the loopback",
    ])
    rows.append([
      "virtual interface",
      tunnel.map { "\(microseconds($0.into)) read, \(microseconds($0.out)) written" } ?? "not measured",
      tunnelReason ?? "64 KiB in super-packets",
    ])
    return alignedColumns(rows, right: []) + "\n" + sentence
  }

  public var json: String {
    JSONText.object(.indented) {
      $0.member("cipher", cipher)
      $0.member("seal_ns", seal, decimals: 1)
      $0.member("open_ns", open, decimals: 1)
      $0.member("copy_bytes_per_second", Int(copy))
      $0.array("engines") {
        for engine in engines {
          $0.object {
            $0.member("paths", engine.paths)
            $0.member("sending_ns", engine.sending, decimals: 1)
            $0.member("receiving_ns", engine.receiving, decimals: 1)
            $0.member("small_sending_ns", engine.smallSending, decimals: 1)
            $0.member("small_receiving_ns", engine.smallReceiving, decimals: 1)
          }
        }
      }
      $0.member("network_sending_ns", network?.out, decimals: 1)
      $0.member("network_receiving_ns", network?.into, decimals: 1)
      $0.member("network_reason", networkReason)
      $0.member("tunnel_reading_ns", tunnel?.into, decimals: 1)
      $0.member("tunnel_writing_ns", tunnel?.out, decimals: 1)
      $0.member("tunnel_reason", tunnelReason)
      $0.array("expected") {
        for expected in expectations {
          $0.object {
            $0.member("paths", expected.paths)
            $0.member("rate_bps", Int(expected.bitsPerSecond))
            $0.member("pieces_rate_bps", Int(expected.mostBitsPerSecond))
            $0.member("slower_side", expected.side.rawValue)
            $0.member("bottleneck", expected.bottleneck)
            $0.member("bottleneck_share", expected.share, decimals: 3)
          }
        }
      }
      $0.member("sentence", sentence)
    }
  }
}
