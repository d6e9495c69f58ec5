//  ReceivedMessage.swift — where a received datagram's parts lie in the buffer that it came in.
//
//      0       16                16 + N           16 + N + C
//      │ header │ name, N bytes   │ control, C bytes │ payload …        N and C are the layout's lengths
//
//  Nothing is copied and nothing allocated. The control data is the kernel's list of `cmsghdr`s, which are aligned to 8
//  bytes when N and the buffer are.

public import CUring
import Glibc

public struct ReceivedMessage {
  /// What stands before the name.
  public static let headerLength = 16

  public let name: UnsafeRawBufferPointer
  public let control: UnsafeRawBufferPointer
  public let payload: UnsafeMutableRawBufferPointer
  /// MSG_TRUNC and its like.
  @usableFromInline let flags: UInt32

  /// `bytes` is what a completion of `Ring.receive` has filled. nil when that is too little to be one.
  @inlinable @inline(__always)
  public init?(_ bytes: UnsafeMutableRawBufferPointer, layout: UnsafePointer<msghdr>) {
    self.init(
      bytes, nameRoom: Int(layout.pointee.msg_namelen), controlRoom: Int(layout.pointee.msg_controllen))
  }

  @inlinable @inline(__always)
  public init?(_ bytes: UnsafeMutableRawBufferPointer, nameRoom: Int, controlRoom: Int) {
    let start = ReceivedMessage.headerLength + nameRoom + controlRoom
    guard let base = bytes.baseAddress, bytes.count >= start else { return nil }
    let header = base.loadUnaligned(as: io_uring_recvmsg_out.self)
    let nameStart = base + ReceivedMessage.headerLength
    name = UnsafeRawBufferPointer(start: nameStart, count: min(Int(header.namelen), nameRoom))
    control = UnsafeRawBufferPointer(start: nameStart + nameRoom, count: min(Int(header.controllen), controlRoom))
    payload = UnsafeMutableRawBufferPointer(start: base + start, count: bytes.count - start)
    flags = header.flags
  }

  /// The datagram was longer than the buffer; its end is lost.
  @inlinable public var isTruncated: Bool { flags & UInt32(MSG_TRUNC) != 0 }
  /// There was more control data than the layout has room for.
  @inlinable public var isControlTruncated: Bool { flags & UInt32(MSG_CTRUNC) != 0 }
}
