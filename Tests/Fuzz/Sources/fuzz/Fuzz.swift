//  Fuzz.swift — hands libFuzzer's bytes to one property: `fuzz TARGET [libFuzzer's arguments]`.

import FuzzTargets
import Glibc

/// libFuzzer's loop. It brings a `main` of its own, which SwiftPM's renaming of ours would fight with; so we call the
/// loop.
@_silgen_name("LLVMFuzzerRunDriver")
private func runFuzzer(
  _ count: UnsafeMutablePointer<CInt>,
  _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>,
  _ property: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt
) -> CInt

/// The callback is a C function and can capture nothing.
nonisolated(unsafe) private var target = FuzzTarget.all[0]

@main struct Fuzz {
  static func main() {
    var count = CommandLine.argc
    var arguments = CommandLine.unsafeArgv
    if CommandLine.arguments.count > 1, !CommandLine.arguments[1].hasPrefix("-") {
      setenv("HAWSER_FUZZ_TARGET", CommandLine.arguments[1], 1)
      // libFuzzer sees the arguments without the name of the target.
      arguments[1] = arguments[0]
      arguments += 1
      count -= 1
    }
    // When it merges, libFuzzer starts itself again with the arguments that it saw; the environment is what remains.
    let name = getenv("HAWSER_FUZZ_TARGET").map { String(cString: $0) }
    guard let found = FuzzTarget.all.first(where: { $0.name == name }) else {
      // The list is also how scripts/fuzz learns the targets.
      print(FuzzTarget.all.map(\.name).joined(separator: "\n"))
      return
    }
    target = found
    _ = runFuzzer(&count, &arguments) { bytes, length in
      do {
        try target.check(Array(UnsafeBufferPointer(start: bytes, count: length)))
      } catch {
        // Release builds drop the text of a precondition, so the sentence goes out first.
        let sentence = Array("property \(target.name) does not hold: \(error)\n".utf8)
        _ = write(STDERR_FILENO, sentence, sentence.count)
        preconditionFailure("a property does not hold")
      }
      return 0
    }
  }
}
