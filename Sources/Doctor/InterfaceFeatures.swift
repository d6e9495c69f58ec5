//  InterfaceFeatures.swift — what an interface does for the kernel: without checksums by the interface no batch leaves.
//
//  A batch of datagrams (UDP_SEGMENT) is cut late, and their checksums are then the interface's work; an interface that
//  says it computes none makes the kernel refuse the batch, and each datagram is a call of its own. Cutting in hardware
//  (tx-udp-segmentation) saves some more; the kernel does it as well.

import CLinux
import Glibc
import Primitives

struct InterfaceFeatures: Equatable {
  /// nil: the kernel does not say.
  var hasChecksum: Bool? = true
  var hasSegmentation: Bool? = true
  var joins: Bool? = true
  var cutsDatagrams: Bool? = true

  static func observe(_ interface: String) -> InterfaceFeatures {
    func feature(_ name: String) -> Bool? {
      let state = hawser_interface_feature(interface, name)
      return state < 0 ? nil : state == 1
    }
    // Which of the three an interface has depends on its age.
    let checksums = ["tx-checksum-ip-generic", "tx-checksum-ipv4", "tx-checksum-ipv6"].map(feature)
    // Between virtual interfaces batches are never taken apart, so there is nothing to join.
    let isHardware = access("/sys/class/net/\(interface)/device", F_OK) == 0
    return InterfaceFeatures(
      hasChecksum: checksums.contains(true) ? true : checksums.allSatisfy { $0 == nil } ? nil : false,
      hasSegmentation: feature("tx-generic-segmentation"), joins: isHardware ? feature("rx-gro") : nil,
      cutsDatagrams: feature("tx-udp-segmentation"))
  }

  /// `isRefused`: the kernel has refused a running gateway's batches.
  func diagnosis(of interface: String, isRefused: Bool) -> Diagnosis {
    var missing: [(name: String, switched: String)] = []
    if hasChecksum == false { missing.append(("checksums for what is sent", "tx on")) }
    if hasSegmentation == false { missing.append(("segmentation", "gso on")) }
    if joins == false { missing.append(("joining of what is received", "gro on")) }
    if !missing.isEmpty {
      return .warning(
        "offloads",
        "\(interface) is without \(missing.map(\.name).joined(separator: ", ")): each datagram costs a call of its own",
        remedy: "ethtool -K \(interface) \(missing.map(\.switched).joined(separator: " "))")
    }
    if isRefused {
      return .warning(
        "offloads", "the kernel cuts no batches for \(interface): each datagram costs a call of its own",
        remedy: "ethtool -K \(interface) tx on gso on, or another driver for it")
    }
    if hasChecksum == nil { return .fine("offloads", "\(interface) does not say what it has") }
    let cutting = cutsDatagrams == true ? ", and cuts datagrams itself" : ""
    let joining = joins == true ? " and joining" : ""
    return .fine("offloads", "\(interface) has checksums, segmentation\(joining)\(cutting)")
  }
}
