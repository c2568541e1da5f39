// SPDX-License-Identifier: Apache-2.0

import JSON
import Linux

/// The skeleton of every plugin: from the environment and standard input to one document and an exit code.
///
/// Whatever happens, standard output gets at most one document, in one write, after everything else is done; an ADD whose
/// result nobody could read is undone.
public enum PluginMain {
    /// Runs a plugin and ends the process.
    public static func run<P: Plugin>(_: P.Type) -> Never {
        let environment = Environment.current()
        let signals: FileDescriptor
        do { signals = try Termination.hold() } catch { exit(1) }
        let command = environment["CNI_COMMAND"] ?? ""
        Trace.begin(to: environment["CNI_TRACE"] ?? "", label: "\(P.name) \(command)")
        switch command {
        case "":
            if let call = ManualCall(P.words) { exit(call.run(P(), environment, signals.rawValue) ? 0 : 1) }
            StandardStreams.log("CNI \(P.name) plugin \(suiteVersion)")
            StandardStreams.log("CNI protocol versions supported: \(Version.list(separator: ", "))")
            exit(0)
        case "VERSION": exit(print(versions()) ? 0 : 1)
        default: break
        }
        var undo = UndoStack(failAfter: environment["CNI_FAIL_AFTER_STEP"].flatMap { Int($0) })
        var answerVersion = Version.newest
        do {
            let call = try Call(P.name, command, environment, signals.rawValue, answerVersion: &answerVersion)
            let document = try dispatch(P(), call, &undo)
            // Nobody will ever know of an attachment whose result could not be delivered.
            guard let document, !print(document) else { exit(0) }
            undo.unwind()
            exit(1)
        } catch {
            undo.unwind()
            Trace.step("failed with code \(error.code): \(error.description)")
            if !print(error.json(version: answerVersion.description).serialize(indent: 4)) {
                StandardStreams.log("\(P.name): \(error.description)")
            }
            exit(1)
        }
    }

    /// The version of the suite, which nerdctl compares with the reference's.
    public static var suiteVersion: String { "v2.0.0" }

    /// Runs the operation and returns the document to print, if the operation has one.
    private static func dispatch<P: Plugin>(
        _ plugin: P,
        _ call: Call,
        _ undo: inout UndoStack
    ) throws(CNIError) -> [UInt8]? {
        let request: Request<P.Configuration> = try call.request()
        switch call.command {
        case .add:
            return try plugin.add(request, undo: &undo).json(call.version).serialize(indent: 4)
        case .check: try plugin.check(request)
        case .delete: try plugin.delete(request)
        case .collect: try plugin.collect(request, keeping: try call.validAttachments())
        case .status: try plugin.status(request)
        }
        return nil
    }

    /// The answer to VERSION: the version of the question, if it is one of ours.
    private static func versions() -> [UInt8] {
        var input: [UInt8] = []
        // Nobody is bound to say anything, so nobody is waited for long.
        while !StandardStreams.inputIsTerminal, Poll.isReadable(0, timeoutMilliseconds: 100),
            let chunk = try? StandardStreams.readInput(upTo: 65536), !chunk.isEmpty
        {
            input += chunk
        }
        var asked = Version.newest
        if let json = try? JSON.parse(input), case .object(let object) = json,
            case .string(let text)? = object["cniVersion"], !text.isEmpty, let version = Version(text)
        {
            asked = version
        }
        return JSON.object(
            JSONObject([
                .init("cniVersion", .string(asked.description)),
                .init("supportedVersions", .array(Version.allCases.map { .string($0.description) })),
            ])
        ).serialize()
    }

    private static func print(_ document: [UInt8]) -> Bool {
        do { try StandardStreams.writeOutput(document + [UInt8(ascii: "\n")]) } catch { return false }
        return true
    }

    private static func exit(_ code: CInt) -> Never { endProcess(code) }
}
