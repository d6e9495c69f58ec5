//  Slice.swift — a piece of what one write or send puts together.

public import CUring

/// The kernel's `iovec`, made without touching its members: which module of C they belong to depends on the order in
/// which a file's imports were built.
@inlinable @inline(__always)
public func makeSlice(_ start: UnsafeMutableRawPointer?, count: Int) -> iovec { hawser_slice(start, count) }
