//  DescriptorStore.swift — open files that the service manager keeps while we are away.
//
//  Why.  A TUN interface goes with its last descriptor, and with it its addresses, its routes, and every TCP connection
//  of whoever used them. A restart, or a crash, would be seen by all applications. So a copy of the descriptor lies
//  with the manager: it gives it back to the next process of the same service, and closes it when the service is
//  stopped.
//
//        1st process ──── FDSTORE=1, FDNAME=hawser0 ────▶ manager      the interface is there all the time;
//          (killed)                                          │         what is sent to it meanwhile waits in its
//        2nd process ◀──── LISTEN_FDS=1, LISTEN_FDNAMES ─────┘         queue (1,000 packets), then is lost
//
//  Rejected.  A persistent interface (TUNSETPERSIST): it would outlive the service when that is stopped or crashes for
//  good, and nobody would remove it.
//
//  Always true.  What was taken and is not used is closed, and forgotten by the manager. Nothing of this happens
//  without a manager.

internal import CSystemd
import Glibc

public enum DescriptorStore {
  public struct Kept: Equatable, Sendable {
    public let name: String
    /// The caller's to close.
    public let descriptor: Int32
  }

  /// More than a program of ours ever leaves there.
  private static let most: Int32 = 64

  /// What the manager kept, once: a second call finds nothing.
  public static func take() -> [Kept] {
    var names: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?
    let count = sd_listen_fds_with_names(1, &names)
    guard count > 0, let names else { return [] }
    defer {
      for index in 0..<Int(count) { free(names[index]) }
      free(names)
    }
    return (0..<min(count, most)).compactMap { index in
      // The first one is number 3, behind the standard streams.
      let descriptor = 3 + index
      guard let name = names[Int(index)] else {
        close(descriptor)
        return nil
      }
      return Kept(name: String(cString: name), descriptor: descriptor)
    }
  }

  /// Has the manager keep a copy under this name, in place of what it has of that name. False when it does not.
  @discardableResult
  public static func keep(_ descriptor: Int32, named name: String) -> Bool {
    forget(name)
    guard ServiceManager.isThere else { return false }
    let descriptors = [descriptor]
    return sd_pid_notify_with_fds(0, 0, "FDSTORE=1\nFDNAME=\(name)", descriptors, 1) > 0
  }

  public static func forget(_ name: String) { ServiceManager.notify("FDSTOREREMOVE=1\nFDNAME=\(name)") }
}
