//  DirectoryLock.swift — the right to change what a directory stands for, held for as long as this value lives.
//
//  The lock is flock(2)'s: it goes with our last open descriptor, so a process that is killed leaves none behind. A
//  directory may be removed and made anew while we wait for its lock; then the lock that we get belongs to a
//  directory that nobody can find any more, so after each success we look whether the path still leads to what we
//  locked.

import Glibc
import POSIX
import Primitives

struct DirectoryLock: ~Copyable {
  enum Kind {
    case shared
    case exclusive
  }

  /// An `up` of the largest topology is done in half of it.
  static let patience = Interval.seconds(30)

  private let descriptor: Int32

  private init(_ descriptor: Int32) { self.descriptor = descriptor }

  deinit { close(descriptor) }

  /// Locks this directory; nil when it does not exist. Directories of `making` are made before, outer ones first.
  /// While others have the lock, `whileWaiting` is told again and again for how long already.
  static func acquire(
    _ path: String, _ kind: Kind, making: [String] = [], patience: Interval = patience,
    whileWaiting: (Interval) -> Void = { _ in }
  ) throws(LabError) -> DirectoryLock? {
    let start = MonotonicClock.now
    let deadline = start + patience
    while true {
      for directory in making where mkdir(directory, 0o755) != 0 {
        // ENOENT: the outer one was removed just now. The next turn makes both.
        if errno != EEXIST && errno != ENOENT { throw .failed("make \(directory)", errno) }
      }
      let isLate = MonotonicClock.now >= deadline
      let fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
      if fd >= 0 {
        let lock = DirectoryLock(fd)
        if flock(fd, (kind == .shared ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0 {
          if lock.isOf(path) { return lock }
        } else if errno != EWOULDBLOCK && errno != EINTR {
          throw .failed("lock \(path)", errno)
        } else if isLate {
          let holders = holders(of: path).map(String.init).joined(separator: ", ")
          let who = holders.isEmpty ? "" : " (process \(holders))"
          throw .refused("somebody else is working on \(path)\(who): wait for it, or kill it")
        } else {
          whileWaiting(MonotonicClock.now - start)
        }
      } else if errno != ENOENT {
        throw .failed("open \(path)", errno)
      } else if making.isEmpty {
        return nil
      }
      if isLate { throw .refused("\(path) comes and goes: is another netlab running in a loop?") }
      usleep(5_000)
    }
  }

  private func isOf(_ path: String) -> Bool {
    var (ours, named) = (stat(), stat())
    return fstat(descriptor, &ours) == 0 && stat(path, &named) == 0 && ours.st_ino == named.st_ino
      && ours.st_dev == named.st_dev
  }

  /// Which other processes have locked the directory, as far as the kernel tells.
  static func holders(of path: String) -> [Int32] {
    var status = stat()
    guard stat(path, &status) == 0, let locks = try? SmallFile.readText("/proc/locks") else { return [] }
    let processes = locks.split(separator: "\n").compactMap { line -> Int32? in
      let words = line.split(separator: " ")
      guard words.count > 5, words[1] == "FLOCK", words[5].hasSuffix(":\(status.st_ino)") else { return nil }
      return Int32(words[4])
    }
    // The kernel names who locked it first. He may be gone, his number somebody else's, and the lock with his child.
    return Set(processes).filter { $0 != getpid() && hasOpen(path, $0) }.sorted()
  }

  private static func hasOpen(_ path: String, _ process: Int32) -> Bool {
    SmallFile.names(in: "/proc/\(process)/fd").contains { name in
      var target = [CChar](repeating: 0, count: Int(PATH_MAX))
      return readlink("/proc/\(process)/fd/\(name)", &target, target.count - 1) > 0
        && String(terminated: target) == path
    }
  }
}
