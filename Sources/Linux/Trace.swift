// SPDX-License-Identifier: Apache-2.0

import CLinux

/// What the process does, step by step with the time of each, for whoever asked for it.
///
/// Asked for by the environment variable CNI_TRACE or the configuration key of the same purpose; it costs one comparison
/// when nobody did.
public enum Trace {
    // A plugin has one thread, and the destination is set before the first step.
    nonisolated(unsafe) private static var destination: CInt = -1
    nonisolated(unsafe) private static var start: Int64 = 0
    nonisolated(unsafe) private static var label = ""

    /// Whether anybody wants to know.
    public static var isOn: Bool { unsafe destination >= 0 }

    /// Sends the steps from now on to standard error or to the end of a file.
    public static func begin(to target: String, label name: String) {
        if isOn || target.isEmpty { return }
        unsafe (start, label) = (Clock.monotonicNanoseconds(), name)
        if target == "stderr" {
            unsafe destination = 2
            return
        }
        do {
            let mode: FileDescriptor.Mode = [.write, .create, .append]
            unsafe destination = try check(linux_open_at(-1, target, CInt(mode.rawValue), 0o600))
        } catch {
            StandardStreams.log("cannot trace to \(target): \(error.description)")
        }
    }

    /// Notes a step, with the microseconds since the start.
    @inline(__always)
    public static func step(_ text: @autoclosure () -> String) { if isOn { write(text()) } }

    @inline(never)
    static func write(_ text: String) {
        let micros = unsafe (Clock.monotonicNanoseconds() - start) / 1000
        let line = unsafe "\(label)[\(processIdentifier())] +\(micros)us \(text)\n"
        unsafe FileDescriptor.writeLine(line, to: destination)
    }
}
