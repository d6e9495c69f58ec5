//  Bytes.swift — numbers in network order, at any place.

extension UnsafeRawPointer {
  @inlinable @inline(__always) func byte(_ offset: Int) -> UInt8 {
    unsafe loadUnaligned(fromByteOffset: offset, as: UInt8.self)
  }

  @inlinable @inline(__always) func number16(_ offset: Int) -> UInt16 {
    unsafe UInt16(bigEndian: loadUnaligned(fromByteOffset: offset, as: UInt16.self))
  }

  @inlinable @inline(__always) func number32(_ offset: Int) -> UInt32 {
    unsafe UInt32(bigEndian: loadUnaligned(fromByteOffset: offset, as: UInt32.self))
  }

  @inlinable @inline(__always) func number64(_ offset: Int) -> UInt64 {
    unsafe UInt64(bigEndian: loadUnaligned(fromByteOffset: offset, as: UInt64.self))
  }
}

extension UnsafeMutableRawPointer {
  @inlinable @inline(__always) func byte(_ offset: Int) -> UInt8 { unsafe UnsafeRawPointer(self).byte(offset) }

  @inlinable @inline(__always) func number16(_ offset: Int) -> UInt16 {
    unsafe UnsafeRawPointer(self).number16(offset)
  }

  @inlinable @inline(__always) func write(_ number: UInt8, _ offset: Int) {
    unsafe storeBytes(of: number, toByteOffset: offset, as: UInt8.self)
  }

  @inlinable @inline(__always) func write(_ number: UInt16, _ offset: Int) {
    unsafe storeBytes(of: number.bigEndian, toByteOffset: offset, as: UInt16.self)
  }

  @inlinable @inline(__always) func write(_ number: UInt32, _ offset: Int) {
    unsafe storeBytes(of: number.bigEndian, toByteOffset: offset, as: UInt32.self)
  }

  @inlinable @inline(__always) func write(_ number: UInt64, _ offset: Int) {
    unsafe storeBytes(of: number.bigEndian, toByteOffset: offset, as: UInt64.self)
  }
}
