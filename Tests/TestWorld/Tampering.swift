//  Tampering.swift — a gateway with true keys and bad intentions: what it seals is changed before it is sealed.
//
//  Its key context is a box with the true key and the script. Each datagram takes a byte of the script: below 128 it
//  stays as it is; else as many changes follow as its low three bits say, each a place and a byte to XOR: the first
//  sixteen places are those of the location, the others lie in the text, at the beginning of which headers are.

import Sealing

public final class Tampering: @unchecked Sendable {
  /// What is left of it; nothing: no datagram is changed.
  public var script: ArraySlice<UInt8> = []
  public internal(set) var changes = 0
  fileprivate let scratch = UnsafeMutableRawPointer.allocate(byteCount: 65_536, alignment: 64)

  public init() {}

  deinit { scratch.deallocate() }

  func wrap(_ key: SealingKey) -> SealingKey {
    let context = Unmanaged.passRetained(TamperedKey(key, self)).toOpaque()
    return SealingKey(suite: key.suite, context: context, seal: tamperedSeal, open: tamperedOpen, mask: tamperedMask)
  }

  func unwrap(_ key: SealingKey) -> SealingKey {
    Unmanaged<TamperedKey>.fromOpaque(key.context).takeRetainedValue().key
  }
}

private final class TamperedKey {
  let key: SealingKey
  let tampering: Tampering

  init(_ key: SealingKey, _ tampering: Tampering) {
    self.key = key
    self.tampering = tampering
  }

  static func of(_ context: UnsafeMutableRawPointer) -> TamperedKey {
    Unmanaged<TamperedKey>.fromOpaque(context).takeUnretainedValue()
  }
}

private let tamperedSeal: SealingKey.Seal = { context, path, counter, header, source, length, target in
  let box = TamperedKey.of(context)
  let tampering = box.tampering
  guard let act = tampering.script.popFirst(), act >= 128, length <= 65_536 else {
    return box.key.seal(box.key.context, path, counter, header, source, length, target)
  }
  tampering.scratch.copyMemory(from: source, byteCount: length)
  let location = UnsafeMutableRawPointer(mutating: header) + (SealingKey.headerLength - 16)
  for _ in 0...act & 7 {
    guard let place = tampering.script.popFirst(), let change = tampering.script.popFirst() else { break }
    tampering.changes += 1
    if place < 16 {
      location.storeBytes(
        of: location.load(fromByteOffset: Int(place), as: UInt8.self) ^ change, toByteOffset: Int(place), as: UInt8.self
      )
    } else if length > 0 {
      let at = Int(place - 16) % length
      tampering.scratch.storeBytes(
        of: tampering.scratch.load(fromByteOffset: at, as: UInt8.self) ^ change, toByteOffset: at, as: UInt8.self)
    }
  }
  box.key.seal(box.key.context, path, counter, header, tampering.scratch, length, target)
}

private let tamperedOpen: SealingKey.Open = { context, path, counter, header, source, length, target in
  let key = TamperedKey.of(context).key
  return key.open(key.context, path, counter, header, source, length, target)
}

private let tamperedMask: SealingKey.Mask = { context, samples, count, masks in
  let key = TamperedKey.of(context).key
  key.mask(key.context, samples, count, masks)
}
