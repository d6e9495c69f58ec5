//  FlowGathering.swift — writes the flows down for whoever asked, a few a turn.
//
//  As long as it goes on the loop does not sleep: an idle gateway answers at once, and a busy one is kept from its work
//  for some microseconds a turn (`Engine.mostFlowsATurn`).

import Control
import Engine
import Primitives
import Status

struct FlowGathering {
  let ticket: StatusBoard.Ticket
  private var list: FlowList
  private var place: Int? = 0

  init(_ ticket: StatusBoard.Ticket, of loop: borrowing GatewayLoop) {
    self.ticket = ticket
    list = loop.engine.flowNames
    list.rows.reserveCapacity(loop.engine.flowCount + Engine.mostFlowsATurn)
  }

  /// One turn's worth. All of them, when these were the last.
  mutating func step(of loop: borrowing GatewayLoop) -> FlowList? {
    guard let from = place else { return list }
    place = loop.engine.listFlows(from: from, into: &list.rows, at: loop.now)
    return place == nil ? list : nil
  }
}
