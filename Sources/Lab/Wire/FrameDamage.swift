//  FrameDamage.swift — flips one bit of a frame, so that the receiver can notice.
//
//  Inside a machine checksums are not computed until a frame leaves it: a frame that we read usually has none. Damage
//  to such a frame would pass for good data; on a real line the adapter would have filled the checksum in before. So it
//  is filled in here, and the frame is then marked as one whose checksum must be checked. The Ethernet header stays
//  whole: an adapter checks it by itself.

import Packets
import VNIC

/// Damages a frame with its offload header in front. `random` says where.
func damage(_ frame: UnsafeMutableRawBufferPointer, random: UInt64) {
  let body = OffloadHeader.length + 14
  guard frame.count > body else { return }
  _ = OffloadHeader.completeChecksum(of: frame)
  OffloadHeader().write(to: frame)
  let bit = Int(random.multipliedFullWidth(by: UInt64(frame.count - body) * 8).high)
  frame[body + bit / 8] ^= 1 << UInt8(bit % 8)
}
