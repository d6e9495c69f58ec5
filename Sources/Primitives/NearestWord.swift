//  NearestWord.swift — "did you mean": the known word that is closest to what somebody typed.
//
//  Distance is Levenshtein's with neighbouring letters swapped as one step, since that is how fingers err. A word
//  counts as near when at most a third of it, or one letter of a short one, must change: further away, a suggestion
//  annoys more than it helps. Two single letters have nothing in common, so neither is suggested for the other.

public func nearestWord(to word: String, in known: some Sequence<String>) -> String? {
  let typed = Array(word.lowercased().unicodeScalars.prefix(longestTyped))
  var best: (word: String, distance: Int)?
  for candidate in known {
    let letters = Array(candidate.lowercased().unicodeScalars)
    let distance = editDistance(typed, letters)
    let longer = max(typed.count, letters.count)
    let most = min(max(1, longer / 3), longer - 1)
    if distance <= most, distance < (best?.distance ?? .max) {
      best = (candidate, distance)
    }
  }
  return best?.word
}

/// What is longer is no misspelt word of ours, and the distance costs its square.
private let longestTyped = 64

private func editDistance(_ a: [Unicode.Scalar], _ b: [Unicode.Scalar]) -> Int {
  var beforeLast: [Int] = []
  var last = Array(0...b.count)
  for i in 0..<a.count {
    var row = [i + 1]
    for j in 0..<b.count {
      var cost = min(row[j] + 1, last[j + 1] + 1, last[j] + (a[i] == b[j] ? 0 : 1))
      if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { cost = min(cost, beforeLast[j - 1] + 1) }
      row.append(cost)
    }
    beforeLast = last
    last = row
  }
  return last[b.count]
}
