//  Ring.swift — does io_uring work, with all that the event loop wants of it?
//
//  The same EPERM comes from a sysctl and from a container's filter, and the same EINVAL from an old kernel and from
//  a wrong call; so the sysctl and the filter's presence are looked up beside it.

import CLinux
import Glibc

struct Ring: Equatable {
  /// What came of a step of the trial: an errno, 0 when it worked, nil when something before it failed.
  typealias Result = Int32?

  var setup: Result = 0
  var bufferRing: Result = 0
  var sendMessage: Result = 0
  var receiveMultishot: Result = 0
  var readMultishot: Result = 0
  /// kernel.io_uring_disabled: 0 for everybody, 1 for a group, 2 for nobody; nil before Linux 6.6.
  var disabled: Int? = 0
  /// Whether a seccomp filter watches this process's calls.
  var isFiltered = false

  static func observe() -> Ring {
    let trial = hawser_try_ring()
    func result(_ value: Int32) -> Result { value == hawser_not_tried ? nil : value }
    return Ring(
      setup: result(trial.setup), bufferRing: result(trial.buffer_ring), sendMessage: result(trial.send_message),
      receiveMultishot: result(trial.receive_multishot), readMultishot: result(trial.read_multishot),
      disabled: number(in: "/proc/sys/kernel/io_uring_disabled"),
      isFiltered: field("Seccomp", in: contents(of: "/proc/self/status") ?? "") == "2")
  }

  var diagnosis: Diagnosis {
    if let setup, setup != 0 { return refusal(setup) }
    // What the gateway cannot do without, in the order of the trial.
    for (step, result) in [
      ("a ring of provided buffers", bufferRing), ("sendmsg", sendMessage), ("multishot recvmsg", receiveMultishot),
    ] {
      guard let result else {
        return .failure("io_uring", "\(step) could not be tried", remedy: "report this as a bug")
      }
      if result != 0 {
        let isForbidden = isFiltered && [EPERM, EACCES, ENOSYS].contains(result)
        return .failure(
          "io_uring", "\(step) fails with \(described(result))",
          remedy: isForbidden ? Ring.allowInContainer : "install Linux 6.1 or later, as a distribution builds it")
      }
    }
    if let readMultishot, readMultishot != 0 {
      return .warning(
        "io_uring", "works, but without multishot read (\(described(readMultishot))): each packet costs one more call",
        remedy: "install Linux 6.7 or later")
    }
    return .fine("io_uring", "works, with provided buffers, multishot recvmsg and multishot read")
  }

  private static let allowInContainer =
    "a seccomp filter forbids it: give the container a profile that allows io_uring_setup, io_uring_enter and "
    + "io_uring_register"

  private func refusal(_ error: Int32) -> Diagnosis {
    let finding = "io_uring_setup fails with \(described(error))"
    switch error {
    case EPERM, EACCES:
      if let disabled, disabled > 0 {
        return .failure(
          "io_uring", "kernel.io_uring_disabled is \(disabled), so \(finding)",
          remedy: disabled == 1
            ? "run as root, join the group that kernel.io_uring_group names, or: sysctl -w kernel.io_uring_disabled=0"
            : "sysctl -w kernel.io_uring_disabled=0")
      }
      return .failure(
        "io_uring", finding,
        remedy: isFiltered ? Ring.allowInContainer : "look for a security module that forbids it (dmesg, audit log)")
    case ENOSYS:
      return .failure(
        "io_uring", finding,
        remedy: isFiltered ? Ring.allowInContainer : "use a kernel with CONFIG_IO_URING, as distributions build it")
    case EINVAL:
      return .failure(
        "io_uring", "\(finding): DEFER_TASKRUN is unknown to this kernel", remedy: "install Linux 6.1 or later")
    case ENOMEM:
      return .failure(
        "io_uring", finding, remedy: "raise the limit of locked memory: ulimit -l 65536, or LimitMEMLOCK=64M")
    case EMFILE, ENFILE:
      return .failure(
        "io_uring", finding, remedy: "raise the limit of open files: ulimit -n 65536, or LimitNOFILE=65536")
    default:
      return .failure("io_uring", finding, remedy: "report this as a bug")
    }
  }
}
