import Glibc
import Sealing
import Testing

@testable import Crypto

@Suite(.serialized) struct `Keys that nobody needs any more` {
  @Test(arguments: Way.all)
  func `are nowhere in our memory once they are destroyed`(way: Way) throws {
    let needle = Needle(seed: UInt8(truncatingIfNeeded: way.testDescription.utf8.reduce(0) { $0 &+ Int($1) }))
    func useKey() throws {
      var sealing = Secret()
      sealing.withMutableBytes { $0.copyMemory(from: needle.bytes) }
      let masking = Secret(copying: sealing)
      let key = way.cryptography.expand(way.suite, sealing: sealing, masking: masking)
      var text = [UInt8](repeating: 1, count: 1_000 + SealingKey.tagLength)
      let header = [UInt8](repeating: 2, count: SealingKey.headerLength)
      text.withUnsafeMutableBytes { text in
        guard let start = text.baseAddress else { return }
        key.seal(key.context, 1, 2, header, start, 1_000, start)
        #expect(key.open(key.context, 1, 2, header, start, 1_000, start))
        key.mask(key.context, start, 44, start)
      }
      #expect(try needle.count() >= 4, "in both secrets, in the key and in its mask")
      way.cryptography.destroy(key)
    }
    try useKey()
    #expect(try needle.count() == 0)
  }
}

/// A key that can be looked for: it stands in memory that other processes could share, and there nobody looks.
private struct Needle: ~Copyable {
  private static let window = 1 << 20
  private let memory: UnsafeMutableRawPointer

  /// 16 bytes that occur nowhere else, twice.
  init(seed: UInt8) {
    let length = Needle.window + 4_096
    guard let memory = mmap(nil, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0),
      memory != MAP_FAILED
    else { preconditionFailure("there is a megabyte of memory") }
    self.memory = memory
    for index in 0..<32 {
      memory.storeBytes(of: UInt8(index % 16) &* 151 &+ seed &* 29 ^ 0xa5, toByteOffset: index, as: UInt8.self)
    }
  }

  deinit { munmap(memory, Needle.window + 4_096) }

  var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: memory, count: 32) }

  /// How often the first 16 bytes are in the private memory of this process, read from outside as a debugger would.
  func count() throws -> Int {
    let file = open("/proc/self/mem", O_RDONLY)
    try #require(file >= 0)
    defer { close(file) }
    var count = 0
    for region in try Needle.regions() {
      var at = region.lowerBound
      while at < region.upperBound {
        let read = pread(file, memory + 4_096, min(Needle.window, region.upperBound - at), off_t(at))
        guard read >= 16 else { break }
        var place: UnsafeMutableRawPointer? = memory + 4_096
        let end = memory + 4_096 + read
        while let start = place, let found = memmem(start, end - start, memory, 16) {
          count += 1
          place = found + 1
        }
        at += read - (at + read < region.upperBound ? 15 : 0)
      }
    }
    return count
  }

  /// Without those of a sanitizer, which are as large as the address space and empty.
  private static func regions() throws -> [Range<Int>] {
    let file = try #require(fopen("/proc/self/maps", "r"))
    defer { fclose(file) }
    var line = [CChar](repeating: 0, count: 4_096)
    var regions: [Range<Int>] = []
    while fgets(&line, Int32(line.count), file) != nil {
      let text = String(decoding: line.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
      let words = text.split(separator: " ")
      guard words.count > 1, words[1] == "rw-p" else { continue }
      let ends = words[0].split(separator: "-").compactMap { Int($0, radix: 16) }
      if ends.count == 2 && ends[1] - ends[0] < 1 << 30 { regions.append(ends[0]..<ends[1]) }
    }
    return regions
  }
}
