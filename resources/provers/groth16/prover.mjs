// Semaphore membership by Groth16 (see statement.mjs). A proof is 288 bytes, nine big-endian numbers of 32:
// A.x A.y, B.x (c0, c1), B.y (c0, c1), C.x C.y, nullifier. Every other public signal comes from the request.

import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { groth16, curves } from "snarkjs"
import { BadRequest, serve } from "../common/server.mjs"
import { DEPTH, FIELD, message, statement, witness } from "./statement.mjs"

const BASE_FIELD = 21888242871839275222246405745257275088696311157297823662689037894645226208583n
const NUMBERS = 9
const folder = new URL("node_modules/@zk-kit/semaphore-artifacts/", import.meta.url)
const wasm = new Uint8Array(readFileSync(new URL(`semaphore-${DEPTH}.wasm`, folder)))
const zkey = new Uint8Array(readFileSync(new URL(`semaphore-${DEPTH}.zkey`, folder)))
const key = JSON.parse(readFileSync(fileURLToPath(new URL(`semaphore-${DEPTH}.json`, folder))))
const curve = await curves.getCurveFromName(key.curve)

async function prove(requestId, data) {
    const { scope } = statement(data)
    const inputs = { ...witness(data), message: message(requestId, data), scope }
    const { proof, publicSignals } = await groth16.fullProve(inputs, wasm, zkey)
    const { pi_a: a, pi_b: b, pi_c: c } = proof
    return encode([a[0], a[1], ...b[0], ...b[1], c[0], c[1], publicSignals[1]].map(BigInt))
}

async function validate(requestId, proof, data) {
    let claim
    try {
        claim = statement(data)
    } catch (error) {
        if (error instanceof BadRequest) return false // no proof is valid for a statement that says nothing
        throw error
    }
    const numbers = decode(proof)
    if (numbers === undefined) return false
    const [ax, ay, bx0, bx1, by0, by1, cx, cy, nullifier] = numbers
    const points = { pi_a: [ax, ay, 1n], pi_b: [[bx0, bx1], [by0, by1], [1n, 0n]], pi_c: [cx, cy, 1n] }
    if (!inSubgroup(points.pi_b)) return false
    const signals = [claim.root, nullifier, message(requestId, data), claim.scope]
    return groth16.verify(key, signals, { ...points, protocol: "groth16", curve: key.curve })
}

// snarkjs asks only whether B lies on its curve, which has points outside the group of the right order too.
function inSubgroup(pi_b) {
    const { G2, Fr } = curve
    const b = G2.fromObject(pi_b)
    return G2.isValid(b) && !G2.isZero(b) && G2.isZero(G2.timesScalar(b, toBytes(Fr.p)))
}

function toBytes(order) {
    return Buffer.from(order.toString(16).padStart(64, "0"), "hex").reverse()
}

function encode(numbers) {
    return Buffer.from(numbers.map((number) => number.toString(16).padStart(64, "0")).join(""), "hex")
}

// The numbers, or undefined unless each is written in the one way that counts.
function decode(proof) {
    if (proof.length !== NUMBERS * 32) return undefined
    const numbers = []
    for (let i = 0; i < NUMBERS; i++) numbers.push(BigInt(`0x${proof.toString("hex", i * 32, i * 32 + 32)}`))
    const coordinates = numbers.slice(0, -1)
    return coordinates.every((x) => x < BASE_FIELD) && numbers.at(-1) < FIELD ? numbers : undefined
}

// The first check of a process is slow (it starts threads and compiles): it is made before anyone waits.
const sample = readFileSync(new URL("sample.json", import.meta.url))
const [x, y] = [key.vk_beta_2[0], key.vk_beta_2[1]].map((pair) => pair.map(BigInt))
const alpha = key.vk_alpha_1.slice(0, 2).map(BigInt)
await validate("warm-up", encode([...alpha, ...x, ...y, ...alpha, 0n]), sample)

serve({ prove, validate }, new URL(".", import.meta.url))
