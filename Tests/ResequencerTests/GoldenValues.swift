//  GoldenValues.swift — what an independent program computed from the same definitions, to the last digit.
//
//  Four systems: one small enough to check by hand, three measured-looking histograms side by side, two paths in a
//  ratio of two to one, and a path that loses a part in a hundred. One value is corrected: three paths' delayQ99 came
//  out as 6 there, by a last bit; with fractions, a delay of at most 5 slots has probability 99/100 exactly. `at` is
//  a buffer's room, a timer's patience or a deadline, in parts or slots.

import Testing

struct GoldenSystem: CustomTestStringConvertible {
  var name: String
  var schedule: [[Int]]
  var delays: [[Double]]
  var unlimited: Unlimited?
  var finite: [Finite] = []
  var timers: [(at: Int, loss: Double)] = []
  var deadlines: [(at: Int, loss: Double, meanOccupancy: Double)] = []
  var wholeSegmentsMean: Double?
  var ordered: Ordered?

  struct Unlimited {
    var mean: Double
    var variance: Double
    var probabilities: [Double]
    var q99: Int
    var q999: Int
    var largest: Int
    var meanDelay: Double
    var noDelay: Double
    var delayQ99: Int
    var meanLatency: Double
    var latencyQ99: Int
  }

  struct Finite {
    var at: Int
    var loss: Double
    var lossOfPart: [Double]
    var meanOccupancy: Double
  }

  struct Ordered {
    var mean: Double
    var probabilities: [Double]
  }

  var testDescription: String { name }
}

extension GoldenSystem {
  static let byHand = GoldenSystem(
    name: "two paths, by hand", schedule: [[0, 1]], delays: [[0, 1.0], [0, 0.5, 0, 0.5]],
    unlimited: Unlimited(
      mean: 0.75, variance: 0.6875, probabilities: [0.5, 0.25, 0.25],
      q99: 2, q999: 2, largest: 2, meanDelay: 0.375, noDelay: 0.625, delayQ99: 1,
      meanLatency: 1.875, latencyQ99: 3),
    finite: [
      Finite(at: 1, loss: 0.125, lossOfPart: [0.0, 0.25], meanOccupancy: 0.25),
      Finite(at: 2, loss: 0.0, lossOfPart: [0.0, 0.0], meanOccupancy: 0.75),
    ],
    timers: [(0, 0.25), (1, 0.0)],
    deadlines: [(1, 0.25, 0.0), (2, 0.25, 0.0)],
    wholeSegmentsMean: 1.5,
    ordered: Ordered(mean: 0.5, probabilities: [0.5, 0.5]))

  static let threeSideBySide = GoldenSystem(
    name: "three paths side by side", schedule: [[0, 1, 2]],
    delays: [
      [0, 0, 0.1, 0.6, 0.2, 0.1], [0, 0, 0, 0.2, 0.4, 0.2, 0.1, 0.1], [0, 0.3, 0.3, 0.2, 0.1, 0.05, 0.03, 0.02],
    ],
    unlimited: Unlimited(
      mean: 4.085256699136001, variance: 6.357195564257243,
      probabilities: [
        0.026414565004800213, 0.11431739063807997, 0.17902085489663994, 0.1625035794012799, 0.14156670779199992,
        0.10968624178111998, 0.08500741874623995, 0.06472153456767998, 0.046977605628799976, 0.037060373758079995,
        0.02319653556288002, 0.00813527889120003,
      ],
      q99: 10, q999: 12, largest: 13, meanDelay: 1.3617522330453322, noDelay: 0.40410025506133296, delayQ99: 5,
      meanLatency: 4.785085566378661, latencyQ99: 7),
    finite: [
      Finite(
        at: 2, loss: 0.2253653844270934, lossOfPart: [0.14910905600000005, 0.44672929062528005, 0.08025780665599999],
        meanOccupancy: 1.5341153028838401),
      Finite(
        at: 4, loss: 0.10399363641973336, lossOfPart: [0.04087896000000001, 0.22854919247520006, 0.042552756784],
        meanOccupancy: 2.42865281464),
      Finite(
        at: 6, loss: 0.05181056587658669,
        lossOfPart: [0.002009232000000001, 0.13278736470816005, 0.020635100921600005], meanOccupancy: 3.1314403295712),
      Finite(
        at: 8, loss: 0.02302692813280001, lossOfPart: [0.0, 0.06279168419040003, 0.006289100208000001],
        meanOccupancy: 3.64999879996864),
      Finite(
        at: 10, loss: 0.0031850982288000006, lossOfPart: [0.0, 0.009274270046400001, 0.00028102464000000004],
        meanOccupancy: 4.0086503821792),
    ],
    timers: [(1, 0.4249343168), (2, 0.2160123733333333), (3, 0.09363999999999996)],
    deadlines: [
      (4, 0.19999999999999998, 1.7368000000000003), (5, 0.08333333333333333, 2.7058848), (6, 0.04, 3.4704724479999993),
    ],
    wholeSegmentsMean: 4.98625286528,
    ordered: Ordered(
      mean: 3.028726299136001,
      probabilities: [
        0.09218096697599999, 0.1681691441024, 0.19902620489727996, 0.17798364745023992, 0.13353432594047998,
        0.09434202779520001, 0.06242797290240003, 0.040682395152000034,
      ]))

  static let twoToOne = GoldenSystem(
    name: "two paths, two to one", schedule: [[0], [0], [1]],
    delays: [[0, 0, 0.5, 0.3, 0.2], [0, 0, 0, 0, 0.2, 0.3, 0.2, 0.1, 0.1, 0.05, 0.05]],
    unlimited: Unlimited(
      mean: 1.3643333333333332, variance: 1.7732612222222237,
      probabilities: [
        0.33016666666666666, 0.2528333333333333, 0.25816666666666666, 0.07883333333333335, 0.04716666666666669,
        0.027000000000000017, 0.005833333333333339,
      ],
      q99: 5, q999: 6, largest: 6, meanDelay: 1.3643333333333336, noDelay: 0.46333333333333326, delayQ99: 6,
      meanLatency: 5.147666666666667, latencyQ99: 10),
    finite: [
      Finite(
        at: 1, loss: 0.19333333333333336, lossOfPart: [0.0, 0.0, 0.5800000000000001], meanOccupancy: 0.33999999999999997
      ),
      Finite(at: 2, loss: 0.08066666666666666, lossOfPart: [0.0, 0.0, 0.242], meanOccupancy: 0.9306666666666666),
      Finite(
        at: 3, loss: 0.04833333333333334, lossOfPart: [0.0, 0.0, 0.14500000000000002], meanOccupancy: 1.0946666666666667
      ),
    ],
    timers: [(1, 0.21000000000000005), (2, 0.13)],
    deadlines: [(5, 0.16666666666666666, 0.52), (7, 0.0666666666666667, 1.02)],
    ordered: Ordered(
      mean: 1.2893333333333334,
      probabilities: [
        0.35683333333333334, 0.22616666666666663, 0.26616666666666666, 0.08083333333333335, 0.0616666666666667,
        0.00833333333333334,
      ]))

  static let lossy = GoldenSystem(
    name: "a path that loses", schedule: [[0, 1]], delays: [[0, 0.7, 0.3], [0, 0, 0.59, 0.3, 0.1]],
    deadlines: [
      (4, 0.00500000000000006, 0.5073300000000002), (5, 0.00500000000000006, 0.5440567000000006),
      (6, 0.00500000000000006, 0.6003161330000013),
    ])

  static let all = [byHand, threeSideBySide, twoToOne, lossy]
  static let lossless = [byHand, threeSideBySide, twoToOne]
}
