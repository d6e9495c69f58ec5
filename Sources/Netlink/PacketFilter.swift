//  PacketFilter.swift — nftables: rules for packets, in nft's own language, loaded in one transaction.
//
//  The language and not the messages behind it: rules are read far more often than they are written, and `nft list
//  ruleset` shows them as they stand in our source. The library opens its socket where it is called, so it is called
//  by a thread inside the namespace.

internal import CLinux
internal import CNftables
import Glibc

public enum PacketFilter {
  /// Carries these commands out in a namespace (a descriptor of it), all or none.
  public static func run(_ commands: String, in namespace: Int32) throws(NetlinkError) {
    let (error, complaint) = commands.withCString { commands in
      var order = Order(commands: commands)
      let error = hawser_run_alone_in_namespace(namespace, carryOut, &order)
      defer { free(order.complaint) }
      return (error, order.complaint.map { String(cString: $0) })
    }
    if error != 0 { throw NetlinkError(operation: "enter the namespace", errno: error) }
    if let complaint {
      let line = complaint.split(separator: "\n").first.map(String.init) ?? "nftables does not say why"
      throw NetlinkError(operation: "load packet filter rules", errno: EINVAL, explanation: line)
    }
  }

  /// All rules of the calling thread's namespace as one JSON text, in the library's own words (libnftables-json(5)).
  public static func listing() throws(NetlinkError) -> String {
    let operation = "read the packet filter's rules"
    guard let context = nft_ctx_new(UInt32(NFT_CTX_DEFAULT)) else {
      throw NetlinkError(operation: operation, errno: ENOMEM, explanation: "libnftables does not start")
    }
    defer { nft_ctx_free(context) }
    nft_ctx_buffer_output(context)
    nft_ctx_buffer_error(context)
    nft_ctx_output_set_flags(context, UInt32(NFT_CTX_OUTPUT_JSON))
    let result = nft_run_cmd_from_buffer(context, "list ruleset")
    let complaint = nft_ctx_get_error_buffer(context).map { String(cString: $0) } ?? ""
    // Without the right to ask it says so, and calls that a success.
    if result != 0 || !complaint.isEmpty {
      let line = complaint.split(separator: "\n").first.map(String.init) ?? "nftables does not say why"
      throw NetlinkError(operation: operation, errno: EINVAL, explanation: line)
    }
    return nft_ctx_get_output_buffer(context).map { String(cString: $0) } ?? ""
  }
}

private struct Order {
  let commands: UnsafePointer<CChar>
  var complaint: UnsafeMutablePointer<CChar>?
}

/// On the thread inside the namespace.
private func carryOut(_ raw: UnsafeMutableRawPointer?) {
  guard let order = raw?.assumingMemoryBound(to: Order.self) else { return }
  guard let context = nft_ctx_new(UInt32(NFT_CTX_DEFAULT)) else {
    order.pointee.complaint = strdup("libnftables does not start")
    return
  }
  defer { nft_ctx_free(context) }
  nft_ctx_buffer_output(context)
  nft_ctx_buffer_error(context)
  if nft_run_cmd_from_buffer(context, order.pointee.commands) != 0 {
    order.pointee.complaint = strdup(nft_ctx_get_error_buffer(context))
  }
}
