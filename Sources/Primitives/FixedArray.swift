//  FixedArray.swift — a number of things in one block of memory, made once, each changed where it lies.
//
//  The standard array takes only what can be copied, and checks whether it is shared before each change. State machines
//  cannot be copied, and there are as many as there are: so this one never grows, never copies and never asks.

@safe public struct FixedArray<Element: ~Copyable>: ~Copyable {
  @usableFromInline let storage: UnsafeMutablePointer<Element>
  public let count: Int

  /// `element` is called once for each index, in order.
  @inlinable public init(count: Int, _ element: (Int) -> Element) {
    precondition(count >= 0, "fewer than none")
    unsafe storage = .allocate(capacity: count)
    self.count = count
    for index in 0..<count { unsafe (storage + index).initialize(to: element(index)) }
  }

  @inlinable deinit {
    unsafe storage.deinitialize(count: count)
    unsafe storage.deallocate()
  }

  @inlinable public var indices: Range<Int> { 0..<count }

  @inlinable public subscript(_ index: Int) -> Element {
    // An address, not a value: a `_read` would load the whole element for a look at one of its fields.
    @inline(__always) unsafeAddress {
      precondition(index >= 0 && index < count, "beyond the end")
      return unsafe UnsafePointer(storage + index)
    }
    @inline(__always) unsafeMutableAddress {
      precondition(index >= 0 && index < count, "beyond the end")
      return unsafe storage + index
    }
  }
}
