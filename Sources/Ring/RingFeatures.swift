//  RingFeatures.swift — what this kernel's io_uring can, and what its lack costs.

internal import CUring

extension Ring.Feature {
  /// Asks the kernel.
  static func found(_ ring: UnsafeMutablePointer<io_uring>) -> Ring.Feature {
    var found: Ring.Feature = []
    if ring.pointee.features & hawser_feat_min_timeout != 0 { found.insert(.gathering) }
    if let probe = io_uring_get_probe_ring(ring) {
      if io_uring_opcode_supported(probe, hawser_op_read_multishot) != 0 { found.insert(.repeatingReads) }
      io_uring_free_probe(probe)
    }
    return found
  }

  /// A sentence for each thing that is missing.
  func limitations(kernel: String) -> [String] {
    var sentences: [String] = []
    if !contains(.repeatingReads) {
      sentences.append(
        "this kernel (\(kernel)) has no repeating reads (they came with Linux 6.7): each packet from an interface "
          + "costs one more system call")
    }
    if !contains(.gathering) {
      sentences.append(
        "this kernel (\(kernel)) cannot gather results before it wakes us (that came with Linux 6.12): many small "
          + "packets cost more wake-ups")
    }
    return sentences
  }
}
