//  DeadlineQueue.swift — who wants to be called next, among numbered machines.
//
//  Why.  A world of two thousand link directions and hosts must jump to the next deadline without looking at all of
//  them, and a machine's deadline changes with almost every packet.
//
//  How.  A binary heap of machine numbers, and for each machine its place in the heap: setting, moving and clearing a
//  deadline is O(log n), reading the earliest is O(1).
//
//  Always true.  (1) `place[heap[i]] == i`. (2) No child is earlier than its parent. (3) Of two equal deadlines the
//  machine with the lower number comes first, so the order never depends on history.

public struct DeadlineQueue: ~Copyable {
  private var heap: [Int32] = []
  private var place: [Int32]
  private var deadline: [UInt64]

  /// For machines 0 ..< count.
  public init(count: Int) {
    place = Array(repeating: -1, count: count)
    deadline = Array(repeating: 0, count: count)
    heap.reserveCapacity(count)
  }

  /// One machine more; it gets the next number.
  public mutating func append() -> Int {
    place.append(-1)
    deadline.append(0)
    return place.count - 1
  }

  /// The machine with the earliest deadline.
  public var first: (machine: Int, deadline: Instant)? {
    // Not `heap.first`: debug builds would allocate for it.
    if heap.isEmpty { return nil }
    let machine = heap[0]
    return (Int(machine), Instant(nanoseconds: deadline[Int(machine)]))
  }

  /// Sets, moves or (with nil) clears a machine's deadline.
  public mutating func set(_ machine: Int, _ instant: Instant?) {
    let at = place[machine]
    guard let instant else {
      if at >= 0 { remove(Int(at)) }
      return
    }
    if at >= 0 {
      let before = deadline[machine]
      if before == instant.nanoseconds { return }
      deadline[machine] = instant.nanoseconds
      if instant.nanoseconds < before { rise(Int(at)) } else { sink(Int(at)) }
    } else {
      deadline[machine] = instant.nanoseconds
      heap.append(Int32(machine))
      place[machine] = Int32(heap.count - 1)
      rise(heap.count - 1)
    }
  }

  private func isEarlier(_ a: Int32, _ b: Int32) -> Bool {
    let left = deadline[Int(a)]
    let right = deadline[Int(b)]
    return left != right ? left < right : a < b
  }

  private mutating func remove(_ at: Int) {
    place[Int(heap[at])] = -1
    let last = heap.removeLast()
    if at == heap.count { return }
    heap[at] = last
    place[Int(last)] = Int32(at)
    rise(at)
    sink(Int(place[Int(last)]))
  }

  private mutating func rise(_ start: Int) {
    var at = start
    let machine = heap[at]
    while at > 0 {
      let parent = (at - 1) / 2
      if !isEarlier(machine, heap[parent]) { break }
      heap[at] = heap[parent]
      place[Int(heap[at])] = Int32(at)
      at = parent
    }
    heap[at] = machine
    place[Int(machine)] = Int32(at)
  }

  private mutating func sink(_ start: Int) {
    var at = start
    let machine = heap[at]
    while true {
      var child = 2 * at + 1
      if child >= heap.count { break }
      if child + 1 < heap.count && isEarlier(heap[child + 1], heap[child]) { child += 1 }
      if !isEarlier(heap[child], machine) { break }
      heap[at] = heap[child]
      place[Int(heap[at])] = Int32(at)
      at = child
    }
    heap[at] = machine
    place[Int(machine)] = Int32(at)
  }

  /// Checks what is always true; for tests, O(n).
  public func audit() {
    for (at, machine) in heap.enumerated() {
      precondition(place[Int(machine)] == Int32(at), "a machine does not know its place")
      if at > 0 { precondition(!isEarlier(machine, heap[(at - 1) / 2]), "a child is earlier than its parent") }
    }
  }
}
