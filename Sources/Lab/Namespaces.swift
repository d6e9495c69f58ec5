//  Namespaces.swift — network namespaces with a name, made the way `ip netns` makes them.
//
//  A namespace lives while something refers to it. Its name is a file below /run/netns on which the namespace is
//  mounted; so `ip netns list` shows ours and `ip netns exec` enters them. /run/netns itself is mounted on itself and
//  shared, or a name that is removed here would live on, invisible, in every other mount namespace of the machine.
//
//  Nobody enters a namespace for good: work inside one runs on a thread made for it (see CLinux/namespaces.h).
//
//  Making one is four steps (file, thread, unshare, mount), and we may be killed between any two. What is left then
//  is an empty file without a mount; `remove` takes that away as well.

import CLinux
import Glibc

public final class Namespace: Sendable {
  public let name: String
  /// Stands for the namespace in setns(2) and in netlink messages; closed with this object.
  public let descriptor: Int32

  /// The directory of the topology that it belongs to, when it was opened while that was there.
  private let stateDirectory: String?

  static let directory = "/run/netns"

  static func path(_ name: String) -> String { directory + "/" + name }

  private init(name: String, descriptor: Int32, stateDirectory: String?) {
    self.name = name
    self.descriptor = descriptor
    self.stateDirectory = stateDirectory
  }

  deinit { close(descriptor) }

  /// A namespace that exists.
  public static func open(_ name: String) throws(LabError) -> Namespace {
    let fd = Glibc.open(path(name), O_RDONLY | O_CLOEXEC)
    if fd < 0 {
      throw .failed("open the namespace \(name)", errno, remedy: errno == ENOENT ? "there is no such namespace" : nil)
    }
    let state = LabState(String(name.prefix { $0 != "." })).directory
    let namespace = Namespace(
      name: name, descriptor: fd, stateDirectory: SmallFile.exists(state) ? state : nil)
    if hawser_is_network_namespace(fd) != 1 {
      throw .refused(
        "\(path(name)) is a file, not a namespace: an interrupted `up` leaves such, `netlab down` removes it")
    }
    return namespace
  }

  /// A new namespace; `prepare` runs inside before anybody else can see it work.
  static func create(_ name: String, prepare: () throws(LabError) -> Void) throws(LabError) -> Namespace {
    let path = path(name)
    let file = Glibc.open(path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0)
    if file < 0 {
      throw .failed(
        "name the namespace \(name)", errno, remedy: errno == EEXIST ? "there is one: `ip netns` shows it" : nil)
    }
    close(file)
    do throws(LabError) {
      return try onThread(in: hawser_new_namespace, "make the namespace \(name)") { () throws(LabError) in
        let own = "/proc/thread-self/ns/net"
        let error = hawser_bind_mount(own, path)
        if error != 0 { throw .failed("mount the namespace \(name)", -error) }
        let fd = Glibc.open(own, O_RDONLY | O_CLOEXEC)
        if fd < 0 { throw .failed("open the namespace \(name)", errno) }
        let namespace = Namespace(name: name, descriptor: fd, stateDirectory: nil)
        try prepare()
        return namespace
      }
    } catch {
      try? remove(name)
      throw error
    }
  }

  /// A new one that nobody else finds; it goes with this object, and what is in it too.
  static func makeNameless() throws(LabError) -> Namespace {
    try onThread(in: hawser_new_namespace, "make a namespace") { () throws(LabError) in
      let fd = Glibc.open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
      if fd < 0 { throw .failed("open a namespace", errno) }
      return Namespace(name: "", descriptor: fd, stateDirectory: nil)
    }
  }

  /// Calls `body` on a thread inside the namespace, and waits for it.
  public func run<Result>(_ body: () throws(LabError) -> Result) throws(LabError) -> Result {
    try Namespace.onThread(in: descriptor, "enter the namespace \(name)", body)
  }

  /// Whoever starts a process in the namespace holds this meanwhile: it keeps `down` away, and throws when that was
  /// here already. A descriptor alone would let processes into a namespace that nobody can find any more. nil: `up`
  /// made it, and holds the lock itself.
  func holdName() throws(LabError) -> DirectoryLock? {
    guard let stateDirectory else { return nil }
    let lock = try DirectoryLock.acquire(stateDirectory, .shared)
    var status = stat()
    if lock == nil || fstat(descriptor, &status) != 0 || Namespace.inode(name) != UInt64(status.st_ino) {
      throw .refused("\(name) is gone: somebody took the topology down meanwhile")
    }
    return lock
  }

  /// Removes the name; the namespace goes when nobody is inside any more. Removing what is not there is no error.
  static func remove(_ name: String) throws(LabError) {
    let path = path(name)
    // Mounts can lie on each other. EINVAL: no mount (any more).
    var layers = 0
    while case let error = hawser_detach_mount(path), error != -EINVAL, error != -ENOENT {
      if error != 0 { throw .failed("unmount \(path)", -error) }
      layers += 1
      if layers == 64 { throw .refused("cannot unmount \(path): somebody mounts it again and again") }
    }
    if unlink(path) != 0 && errno != ENOENT { throw .failed("remove \(path)", errno) }
  }

  /// The number by which /proc/PID/ns/net tells namespaces apart; nil when there is no namespace of this name.
  static func inode(_ name: String) -> UInt64? {
    guard let namespace = try? Namespace.open(name) else { return nil }
    var status = stat()
    return fstat(namespace.descriptor, &status) == 0 ? UInt64(status.st_ino) : nil
  }

  static func exists(_ name: String) -> Bool { SmallFile.exists(path(name)) }

  private static func onThread<Result>(
    in namespace: Int32, _ purpose: String, _ body: () throws(LabError) -> Result
  ) throws(LabError) -> Result {
    var result: Swift.Result<Result, LabError>?
    let error = call(in: namespace) {
      do throws(LabError) { result = .success(try body()) } catch { result = .failure(error) }
    }
    if error != 0 { throw .failed(purpose, error) }
    guard let result else { preconditionFailure("a thread in a namespace ended without a result") }
    return try result.get()
  }

  private static func call(in namespace: Int32, _ body: () -> Void) -> Int32 {
    withoutActuallyEscaping(body) { body in
      withUnsafePointer(to: body) {
        hawser_run_in_namespace(
          namespace, { $0?.assumingMemoryBound(to: (() -> Void).self).pointee() }, UnsafeMutableRawPointer(mutating: $0)
        )
      }
    }
  }
}

/// /run/netns itself.
enum NamespaceDirectory {
  /// Tells that the mount is ours to undo. It is made before the mount, so at worst it tells of one that never came.
  /// One for all topologies, as there is one mount: hence not in the state directory of any.
  private static let mark = "/run/netlab.netns"

  /// Makes the directory and its mount where they are missing. While the lock lives, which is the one that `ip netns`
  /// takes for this, nobody removes them again; once there is a name in the directory, that does it.
  static func prepare() throws(LabError) -> DirectoryLock? {
    let path = Namespace.directory
    let lock = try DirectoryLock.acquire(path, .exclusive, making: [path])
    if !isMounted { try SmallFile.write("", to: mark) }
    let error = hawser_share_directory(path)
    if error != 0 { throw .failed("share \(path)", -error) }
    return lock
  }

  /// Leaves the machine as we found it, once no namespace has a name any more.
  static func removeIfUnused() throws(LabError) {
    let path = Namespace.directory
    guard SmallFile.exists(mark), let lock = try DirectoryLock.acquire(path, .exclusive) else { return }
    if SmallFile.names(in: path).isEmpty {
      while hawser_detach_mount(path) == 0 {}
      rmdir(path)
      unlink(mark)
    }
    _ = consume lock
  }

  private static var isMounted: Bool {
    let mounts = (try? SmallFile.readText("/proc/self/mountinfo")) ?? ""
    return mounts.split(separator: "\n").contains {
      let words = $0.split(separator: " ")
      return words.count > 4 && words[4] == Namespace.directory
    }
  }
}
