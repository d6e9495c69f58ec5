//  Version.swift — the one place that says which Hawser this is: every program, man page and package takes it from
//  here.

public enum Version {
  public static let current = "0.1.0"
}
