//  QueryCommand.swift — `path-oracle query`: which paths to take between two places, and why.

import Commands
import Consulting
import Primitives
import Topology

enum QueryCommand {
  private typealias Common = OracleOptions

  private static let from = Option(required: "from", value: "NODE", Common.name, "where the connection begins")
  private static let to = Option(required: "to", value: "NODE", Common.name, "where it ends")
  private static let count = Option(
    "count", short: "k", value: "N", .number(in: 1...PathQuestion.mostPaths), default: 2, "how many paths at most")
  private static let objective = Option(
    "objective", .choice(of: PathQuestion.Objective.self), "what the paths are for; throughput when absent")
  private static let strategy = Option(
    "strategy", .choice(of: PathQuestion.Strategy.self), "how the oracle chooses; its own way when absent")
  private static let mostPrice = Option(
    "max-price", value: "PRICE", .decimal(in: 0...1_000_000), "the most that a gigabyte over a path may cost")
  private static let mostDelay = Option(
    "max-delay", value: "TIME", Common.delay, "the longest that a path may take, one way, as 45ms")
  private static let mostLoss = Option(
    "max-loss", value: "SHARE", Common.loss, "the most that a path may lose, as 1%")
  private static let providers = Option(
    repeated: "forbid-provider", value: "NAME", Common.name, "a provider that no path may use")
  private static let regions = Option(
    repeated: "forbid-region", value: "NAME", Common.name, "a region that no path may lead through")

  static let declaration = Command(
    "query", "asks which paths to take, and why",
    [
      from, to, count, objective, strategy, mostPrice, mostDelay, mostLoss, providers, regions, Common.oracle,
      Common.alto, Common.tokenFile, Common.trust, Common.json,
    ],
    exclusive: [[Common.oracle, Common.alto]],
    details: """
      NODE is a gateway's name. An oracle chooses paths together, so that what they share is counted once, and says \
      what it takes to put their parts in order.

      With --alto any server of RFC 7285 is asked; NODE is then a PID of its network map, or an address. Its costs \
      rank direct paths and detours over one place, one by one, and what it does not know is said.
      """,
    exitCodes: [0: "there is a path", 2: "there is none, or the server refuses or does not answer"])

  static func run(_ invocation: Invocation) -> Answer {
    let foreign = [
      (strategy.declaration, invocation.isGiven(strategy)), (providers.declaration, invocation.isGiven(providers)),
      (regions.declaration, invocation.isGiven(regions)),
    ].first { $0.1 }
    if let (option, _) = foreign, invocation.isGiven(Common.alto) {
      return Answer(
        complaint: "query: \(option.label) is for a path oracle; a server that --alto asks knows nothing of it",
        code: Program.wrongUsage)
    }
    var question = PathQuestion(from: invocation[from], to: invocation[to], count: invocation[count])
    question.objective = invocation[objective]
    question.strategy = invocation[strategy]
    question.mostPrice = invocation[mostPrice]
    question.mostDelay = invocation[mostDelay]
    question.mostLoss = invocation[mostLoss].map { Double($0.partsPerBillion) / 1e9 }
    question.forbiddenProviders = invocation[providers]
    question.forbiddenRegions = invocation[regions]
    do throws(Refused) {
      let choice = try choose(question, invocation)
      let report = ChoiceReport(choice, to: question)
      return Answer(output: invocation[Common.json] ? report.json : report.text, code: choice.paths.isEmpty ? 2 : 0)
    } catch {
      return Answer(complaint: error.sentence, code: error.code)
    }
  }

  private static func choose(_ question: PathQuestion, _ invocation: Invocation) throws(Refused) -> PathChoice {
    guard let directory = invocation[Common.alto] else {
      let oracle = invocation[Common.oracle]
      let reply = try OracleClient(invocation, to: oracle).ask(question.request(to: oracle))
      do throws(ConsultingFailure) {
        return try PathChoice(reply, to: question, from: oracle)
      } catch {
        throw Refused(error)
      }
    }
    let client = try OracleClient(invocation, to: directory)
    var survey = ALTOSurvey(question, at: directory)
    while let request = survey.nextRequest() {
      let reply = try client.ask(request)
      do throws(ConsultingFailure) {
        try survey.receive(reply)
      } catch {
        throw Refused(error)
      }
    }
    do throws(ConsultingFailure) {
      return try survey.choice()
    } catch {
      throw Refused(error)
    }
  }
}
