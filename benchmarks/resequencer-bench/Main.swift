@main struct ResequencerBench { static func main() {} }
