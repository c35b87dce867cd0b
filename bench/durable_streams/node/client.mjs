// A writer and a reader of the reference server, on its own client. The commands are those of clients/valkey.py.
import readline from "node:readline"
import { DurableStream, IdempotentProducer, stream } from "@durable-streams/client"

const handlers = { connect, prepare, write, fill, read, collect }
const handles = new Map()
const FILLING_AT_ONCE = 32
const AWAY_MS = 50
let base = ""

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)))
const nowUs = () => Math.round((performance.timeOrigin + performance.now()) * 1000)
const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`)

async function* connect({ url }) {
  base = url
  yield {}
}

async function* prepare({ streams }) {
  for (const name of streams) {
    handles.set(name, await DurableStream.create({ url: `${base}/${name}`, contentType: "application/json" }))
  }
  yield {}
}

// A writer that is not done in time confirms nothing.
async function* write({ streams, rate, tokens, spread_s, limit_s }) {
  const one = async (name, n) => {
    await sleep((n / streams.length) * spread_s * 1000)
    return produce(handles.get(name), rate, tokens)
  }
  const late = sleep(limit_s * 1000).then(() => [])
  const acked = await Promise.race([Promise.all(streams.map(one)), late])
  yield { acked: Object.fromEntries(streams.map((name, n) => [name, acked[n] ?? []])) }
}

// append() does not wait: the producer sends what it has gathered in 5 ms, its default.
async function produce(handle, rate, tokens) {
  const produced = []
  const state = { failed: false }
  const onError = () => { state.failed = true }
  const producer = new IdempotentProducer(handle, "provider", { autoClaim: true, onError })
  const append = (token) => producer.append(JSON.stringify({ produced: token }))
  let mending = null
  const began = performance.now()
  for (let n = 0; n < tokens; n += 1) {
    await sleep(began + (n / rate) * 1000 - performance.now())
    produced.push(nowUs())
    if (mending === null && !state.failed) append(produced.at(-1))
    else mending ??= mend(handle, producer, append, produced, state).then(() => { mending = null })
  }
  await producer.flush()
  if (mending !== null || state.failed) await (mending ?? mend(handle, producer, append, produced, state))
  await producer.detach()
  return produced
}

// After a failed batch the producer refuses all later ones. The application has to look up what is stored, start a new
// epoch, and append the rest.
async function mend(handle, producer, append, produced, state) {
  let stored = 0
  while (stored < produced.length) {
    await sleep(AWAY_MS)
    await producer.restart()
    const response = await stream({ url: handle.url, offset: "-1", live: false })
    stored = (await response.json()).length
    state.failed = false
    for (const token of produced.slice(stored)) append(token)
    const appended = produced.length
    await producer.flush()
    if (!state.failed) stored = appended
  }
}

// One record per token, like tokens that arrive slowly.
async function* fill({ stream: name, tokens }) {
  const handle = await DurableStream.create({ url: `${base}/${name}`, contentType: "application/json", batching: false })
  let left = tokens
  const some = async () => {
    while (left-- > 0) await handle.append(JSON.stringify({ produced: nowUs() }))
  }
  await Promise.all(Array.from({ length: FILLING_AT_ONCE }, some))
  yield { records: tokens }
}

async function* read({ streams, tokens, limit_s }) {
  const received = streams.map(() => ({ produced_us: [], received_us: [], kept: 0, wrong: "" }))
  const over = new AbortController()
  const limit = setTimeout(() => over.abort(), limit_s * 1000)
  yield { reading: true }
  await Promise.all(streams.map((name, n) => follow(name, tokens, received[n], over.signal)))
  clearTimeout(limit)
  yield { ended: true }
  yield { received }
}

// The client reconnects by itself. If it gives up, the stream is opened again from the last offset.
async function follow(name, tokens, received, over) {
  const seen = new Set()
  let offset = "-1"
  while (received.kept < tokens && !over.aborted) {
    const done = new AbortController()
    try {
      const signal = AbortSignal.any([over, done.signal])
      const response = await stream({ url: `${base}/${name}`, offset, live: true, signal })
      response.subscribeJson((batch) => {
        const now = nowUs()
        for (const { produced } of batch.items) {
          received.produced_us.push(produced)
          received.received_us.push(now)
          seen.add(produced)
          received.kept = seen.size
        }
        offset = batch.offset
        if (received.kept >= tokens) done.abort()
      })
      await response.closed
    } catch (error) {
      if (!over.aborted && !done.signal.aborted) await sleep(AWAY_MS)
    }
  }
}

async function* collect({ streams }) {
  const produced = {}
  for (const name of streams) {
    const response = await stream({ url: `${base}/${name}`, offset: "-1", live: false })
    produced[name] = (await response.json()).map((item) => item.produced)
  }
  yield { produced_us: produced }
}

answer({ ready: true })
for await (const line of readline.createInterface({ input: process.stdin })) {
  const { do: name, ...given } = JSON.parse(line)
  for await (const value of handlers[name](given)) answer(value)
}
process.exit(0)
