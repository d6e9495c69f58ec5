//  ControlFailure.swift — why there is no control socket, or nobody answers on it.

import Glibc

public enum ControlFailure: Error, Equatable, CustomStringConvertible {
  /// An operation on a path failed.
  case failed(String, path: String, errno: Int32)
  case inUse(path: String)
  case notASocket(path: String)
  case pathTooLong(path: String)
  case noServer(path: String)
  /// Over TCP, in a sentence.
  case remote(String)
  /// Somebody answered, but no gateway.
  case strange(path: String)
  case nobody(path: String)
  /// No gateway at all, or more than one, where one was meant.
  case none(directory: String)
  case several([String])

  public var description: String {
    switch self {
    case .failed(let operation, let path, let code):
      let remedy = code == EACCES || code == EPERM ? "; run it as root, or as a member of the socket's group" : ""
      return "cannot \(operation) \(path): \(String(cString: strerror(code)))\(remedy)"
    case .inUse(let path):
      return "another gateway answers on \(path); stop it, or give this one another [Control] Socket"
    case .notASocket(let path):
      return "\(path) exists and is no socket; remove it, or choose another [Control] Socket"
    case .pathTooLong(let path): return "\(path) is longer than the 107 bytes that a socket's path can have"
    case .noServer(let path):
      return "cannot serve \(path): the system refuses a thread or a descriptor; raise the limits (ulimit -n, -u)"
    case .remote(let sentence): return sentence
    case .strange(let path): return "what answers on \(path) is no gateway"
    case .nobody(let path):
      return "no gateway runs here: nobody listens on \(path); start one with hawser gateway --config FILE"
    case .none(let directory):
      return "no gateway runs here: nobody listens in \(directory); start one with hawser gateway --config FILE"
    case .several(let paths):
      return "several gateways run here: say which with --socket \(paths.joined(separator: " or --socket "))"
    }
  }
}
