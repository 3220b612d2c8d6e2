// A prover that misbehaves in the way that the request id names, and else is the mock.

import { createHash } from "node:crypto"
import { readFileSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { connect } from "node:net"
import { createSocket } from "node:dgram"
import { spawn } from "node:child_process"
import { gzipSync } from "node:zlib"
import { lookup } from "node:dns/promises"
import { networkInterfaces } from "node:os"

const MIB = 1024 * 1024

function attempt(action) {
    try {
        action()
        return "done"
    } catch (error) {
        return error.code
    }
}

function reach(port, host) {
    return new Promise((resolve) => {
        const socket = connect({ port, host, timeout: 2000 })
        socket.on("connect", () => resolve("connected"))
        socket.on("timeout", () => resolve("timeout"))
        socket.on("error", (error) => resolve(error.code))
    })
}

async function surroundings() {
    const status = readFileSync("/proc/self/status", "utf8")
    const field = (name) => status.match(new RegExp(`^${name}:\\s*(.*)$`, "m"))[1]
    return {
        uid: process.getuid(),
        gid: process.getgid(),
        capabilities: field("CapEff"),
        bounding: field("CapBnd"),
        noNewPrivileges: field("NoNewPrivs"),
        seccomp: field("Seccomp"),
        interfaces: Object.keys(networkInterfaces()),
        internet: await reach(53, "1.1.1.1"),
        host: await reach(5000, "172.17.0.1"),
        dns: await lookup("example.com").then(
            () => "found",
            (error) => error.code
        ),
        root: attempt(() => writeFileSync("/app/written", "x")),
        volume: attempt(() => writeFileSync("/data/large", Buffer.alloc(128 * MIB))),
        tmp: attempt(() => writeFileSync("/tmp/small", "x")),
        tmpFull: attempt(() => writeFileSync("/tmp/large", Buffer.alloc(128 * MIB))),
    }
}

function datagram(port, host) {
    return new Promise((resolve) => {
        const socket = createSocket(host.includes(":") ? "udp6" : "udp4")
        socket.on("error", (error) => resolve(error.code))
        socket.send("hello", port, host, (error) => resolve(error ? error.code : "sent"))
    })
}

// What became of each attempt to get out, by target: [{host, port}, ...] comes as the request's data.
async function outings(targets) {
    const found = {}
    for (const { host, port } of targets) {
        found[`tcp ${host}`] = await reach(port, host)
        found[`udp ${host}`] = await datagram(port, host)
    }
    found.dns = await lookup("example.com").then(
        () => "found",
        (error) => error.code
    )
    const devices = readFileSync("/proc/net/dev", "utf8").trim().split("\n").slice(2)
    found.devices = devices.map((line) => line.trim().split(":")[0])
    return found
}

function fork(children) {
    for (let i = 0; i < 4; i++) {
        try {
            const child = spawn("node", ["-e", "process.on('SIGTERM', () => {}); setInterval(() => {}, 1e6)"])
            child.on("error", () => {})
            children.push(child)
        } catch {
            // the limit of processes
        }
    }
    setTimeout(() => fork(children), 20)
}

const misbehaviours = {
    hang: () => {},
    trickle: (response) => {
        response.writeHead(200, { "content-length": 1000000 })
        setInterval(() => response.write(" "), 50)
    },
    exit: () => process.exit(3),
    "hang-up": (response) => response.destroy(),
    "hang-up-midway": (response) => {
        response.writeHead(200, { "content-length": 1000 })
        response.write("{", () => response.destroy())
    },
    large: (response) => {
        response.writeHead(200)
        const piece = Buffer.alloc(MIB, 65)
        const more = () => {
            while (response.write(piece));
            response.once("drain", more)
        }
        more()
    },
    "large-claim": (response) => response.writeHead(200, { "content-length": 10 ** 12 }).flushHeaders(),
    "gzip-bomb": (response) => {
        const bomb = gzipSync(Buffer.alloc(512 * MIB))
        response.writeHead(200, { "content-encoding": "gzip", "content-length": bomb.length }).end(bomb)
    },
    redirect: (response, data) => response.writeHead(302, { location: data.toString() }).end(),
    forks: () => fork([]),
    disk: () => {
        for (let i = 0; ; i++) writeFileSync(`/tmp/file-${i}`, Buffer.alloc(MIB))
    },
    immortal: () => {
        for (const signal of ["SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT"]) process.on(signal, () => {})
        for (;;);
    },
    chatter: (response) => {
        const line = "x".repeat(1000) + "\n"
        for (let i = 0; i < 30000; i++) process.stdout.write(line)
        process.stdout.write("\u001b[31mthe end\n", () => response.writeHead(500).end("tired"))
    },
    outings: async (response, data) => {
        const report = Buffer.from(JSON.stringify(await outings(JSON.parse(data))))
        response.end(JSON.stringify({ proof: report.toString("base64") }))
    },
    memory: () => {
        const kept = []
        for (;;) kept.push(Buffer.alloc(16 * MIB, 1))
    },
    error: (response) => response.writeHead(500).end("out of order\u0007"),
    text: (response) => response.end("this is no JSON"),
    list: (response) => response.end("[]"),
    number: (response) => response.end(JSON.stringify({ proof: 1, valid: 1 })),
    base64: (response) => response.end(JSON.stringify({ proof: "%%%", valid: "true" })),
    garbage: (response) => response.socket.end("\0".repeat(20000)),
    surroundings: async (response) => {
        const report = Buffer.from(JSON.stringify(await surroundings()))
        response.end(JSON.stringify({ proof: report.toString("base64") }))
    },
}

createServer(async (request, response) => {
    let body = ""
    for await (const part of request) body += part
    if (request.url === "/manifest") return response.writeHead(404).end()
    const { request_id: id, data, proof } = JSON.parse(body)
    if (id in misbehaviours) return misbehaviours[id](response, Buffer.from(data, "base64"))
    const right = createHash("sha256").update(id).update(Buffer.from(data, "base64")).digest("base64")
    response.end(JSON.stringify(request.url === "/prove" ? { proof: right } : { valid: proof === right }))
}).listen(3000)
