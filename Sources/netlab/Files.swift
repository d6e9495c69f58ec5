//  Files.swift — topologies and their traces, from the disk.

import Glibc
import POSIX
import Primitives
import Simulation
import Topology

enum Files {
  /// A topology file, read and checked.
  static func topology(_ path: String) throws(Refusal) -> Topology {
    let bytes = try read(path, atMost: Topology.Limits.fileSize.value + 1, "topology")
    do throws(Topology.ParseError) {
      return try Topology(parsing: bytes, file: path)
    } catch {
      throw Refusal(error.description, exitCode: 64)
    }
  }

  /// Every trace that a topology names, relative to the topology's file.
  static func traces(of topology: Topology, at path: String) throws(Refusal) -> [String: DeliveryTrace] {
    var traces: [String: DeliveryTrace] = [:]
    let directory = path.lastIndex(of: "/").map { String(path[...$0]) } ?? ""
    for name in topology.traceFiles {
      let file = name.hasPrefix("/") ? name : directory + name
      let bytes = try read(file, atMost: 128 << 20, "trace")
      do throws(DeliveryTrace.ParseError) {
        traces[name] = try DeliveryTrace(parsing: bytes)
      } catch {
        switch error {
        case .malformed(let line, let sentence): throw Refusal("\(file):\(line):1: \(sentence)", exitCode: 64)
        }
      }
    }
    return traces
  }

  /// Sections of a configuration.
  static func policy(_ path: String) throws(Refusal) -> String {
    String(decoding: try read(path, atMost: 1 << 20, "policy"), as: UTF8.self)
  }

  static func absolute(_ path: String) -> String {
    guard let real = realpath(path, nil) else { return path }
    defer { free(real) }
    return String(cString: real)
  }

  private static func read(_ path: String, atMost limit: Int, _ what: String) throws(Refusal) -> [UInt8] {
    do throws(FileContents.Failure) {
      return try FileContents.read(path, atMost: limit)
    } catch {
      throw Refusal("\(path):1:1: cannot read this \(what): \(error)", exitCode: 64)
    }
  }
}
