"use strict";
// The page: a live view by Media Source Extensions, the state of the camera, and its picture controls.

const $ = id => document.getElementById(id);
const sleep = ms => new Promise(done => setTimeout(done, ms));
const once = (target, name) => new Promise(done => target.addEventListener(name, done, { once: true }));

// make builds an element.
function make(tag, attributes = {}, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name in e) e[name] = value; else e.setAttribute(name, value);
  }
  e.append(...children);
  return e;
}

// ask fetches and throws what the camera says when it refuses.
async function ask(url, options = {}) {
  const answer = await fetch(url, { cache: "no-store", ...options });
  if (!answer.ok) throw new Error((await answer.text()).trim() || answer.statusText);
  return answer;
}

// ---- live view ----

const Source = window.MediaSource || window.ManagedMediaSource;
const silence = 4000; // ms without data after which a stream is asked for anew

// Unplayable is what a new try does not help against.
class Unplayable extends Error {}

class Live {
  constructor() {
    this.video = $("video");
    this.still = $("still");
    this.frame = 0.2; // s, of the stream
    this.newest = 0;
  }

  // show plays a stream, and goes on doing so, until another one is shown or hide is called.
  show(name, rate) {
    this.hide();
    this.name = name;
    this.frame = 1 / (rate || 5);
    this.stop = new AbortController();
    this.keepPlaying(name, this.stop.signal);
  }

  hide() {
    this.stop?.abort();
    this.stop = null;
  }

  async keepPlaying(name, signal) {
    let pause = 500;
    while (!signal.aborted) {
      const began = Date.now();
      try {
        await this.play(name, signal);
      } catch (err) {
        if (signal.aborted) return;
        this.say(err instanceof Unplayable ? `${err.message}: snapshots instead` : `${err.message}: trying again, snapshots meanwhile`);
        if (Date.now() - began > 10000) pause = 500;
        if (err instanceof Unplayable) pause = 1 << 30;
      }
      await this.snapshots(pause, signal);
      pause = Math.min(pause * 2, 8000);
    }
  }

  async play(name, signal) {
    if (!Source) throw new Unplayable("This browser cannot play live video");
    const media = new Source();
    const url = URL.createObjectURL(media);
    const request = new AbortController();
    const abort = () => request.abort();
    signal.addEventListener("abort", abort);
    try {
      this.video.src = url;
      await once(media, "sourceopen");
      const answer = await within(silence + 2000, ask(`/live/${name}.mp4`, { signal: request.signal }));
      const type = answer.headers.get("Content-Type");
      if (!Source.isTypeSupported(type)) throw new Unplayable(`This browser cannot play ${type}`);
      const buffer = media.addSourceBuffer(type);
      const reader = answer.body.getReader();
      this.video.play().catch(() => {});
      for (;;) {
        const { value, done } = await within(silence, reader.read());
        if (done) throw new Error("The camera ended the stream");
        if (media.readyState !== "open") throw new Error(this.video.error?.message || "The player closed the stream");
        buffer.appendBuffer(value);
        await once(buffer, "updateend");
        if (this.video.error) throw new Error(`The player gave up (${this.video.error.message})`);
        this.newest = Date.now();
        this.follow(buffer);
        await this.trim(buffer);
      }
    } finally {
      request.abort();
      signal.removeEventListener("abort", abort);
      URL.revokeObjectURL(url);
    }
  }

  // follow keeps the picture close to the newest one that has come.
  follow(buffer) {
    const { buffered } = buffer, { video } = this;
    if (!buffered.length) return;
    const start = buffered.start(buffered.length - 1), end = buffered.end(buffered.length - 1);
    const lag = end - video.currentTime, wanted = this.frame + 0.1;
    if (video.currentTime < start || lag < 0 || lag > wanted + 0.8) {
      video.currentTime = Math.max(start, end - wanted);
    }
    video.playbackRate = lag > wanted + this.frame + 0.1 ? 1.2 : 1;
    if (video.paused) video.play().catch(() => {});
    if (video.readyState >= 2) {
      this.pictures(false);
      this.say(`Live, ${this.name}`);
    }
  }

  // trim forgets what was shown, for the browser's memory.
  async trim(buffer) {
    const { buffered } = buffer, old = this.video.currentTime - 10;
    if (buffered.length && buffered.start(0) < old - 20) {
      buffer.remove(0, old);
      await once(buffer, "updateend");
    }
  }

  // snapshots shows the newest snapshots for some time.
  async snapshots(time, signal) {
    const end = Date.now() + time;
    while (!signal.aborted && Date.now() < end) {
      try {
        const picture = await (await within(6000, ask("/camera.jpg", { signal }))).blob();
        const old = this.still.src;
        this.still.src = URL.createObjectURL(picture);
        await this.still.decode();
        if (old) URL.revokeObjectURL(old);
        this.pictures(true);
      } catch { /* the note says already that there is trouble */ }
      await sleep(Math.max(0, Math.min(1000, end - Date.now())));
    }
  }

  pictures(stills) {
    this.still.hidden = !stills;
    this.video.hidden = stills;
    $("curtain").hidden = true;
  }

  say(text) {
    if ($("note").textContent !== text) $("note").textContent = text;
  }
}

// within gives up on a promise after some time.
function within(ms, promise) {
  let timer;
  const late = new Promise((_, refuse) => {
    timer = setTimeout(() => refuse(new Error("No picture has come for some seconds")), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

const live = new Live();

// ---- state ----

const period = 2000; // ms between two looks at the state
const graphLength = 150;
const feeds = new Map(); // name to what is shown of it
let state = null;

function bits(n) {
  return n >= 1e6 ? `${(n / 1e6).toFixed(1)} Mbit/s` : `${Math.round(n / 1e3)} kbit/s`;
}

function time(s) {
  const d = Math.floor(s / 86400), h = Math.floor(s / 3600) % 24, m = Math.floor(s / 60) % 60;
  return d ? `${d} d ${h} h` : h ? `${h} h ${m} min` : m ? `${m} min` : `${s} s`;
}

function showHealth(good, text) {
  const pill = $("health");
  pill.className = `pill ${good ? "good" : "bad"}`;
  if (pill.textContent !== text) pill.textContent = text;
}

// showProblems lists problems; what stands after a semicolon is the cure.
function showProblems(list) {
  $("problems").hidden = !list.length;
  $("problem-list").replaceChildren(...list.map(text => {
    const [what, ...cure] = text.split("; ");
    return make("li", {}, what, ...(cure.length ? [make("small", {}, cure.join("; "))] : []));
  }));
}

class Feed {
  constructor(stream) {
    this.history = [];
    this.line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
    this.graph = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    this.graph.setAttribute("viewBox", `0 0 ${graphLength} 40`);
    this.graph.setAttribute("preserveAspectRatio", "none");
    this.graph.setAttribute("role", "img");
    this.graph.append(this.line);
    this.what = make("p");
    this.who = make("p");
    $("feed-list").append(make("div", { className: "feed" }, make("h3", {}, stream), this.what, this.who, this.graph));
    this.button = make("button", { type: "button" }, stream);
    this.button.addEventListener("click", () => choose(stream));
    $("streams").append(this.button);
  }

  update(s, seconds) {
    if (this.bytes !== undefined && seconds > 0 && s.bytes >= this.bytes) this.history.push((s.bytes - this.bytes) * 8 / seconds);
    this.bytes = s.bytes;
    this.history.splice(0, this.history.length - graphLength);
    this.what.textContent = `${s.width} × ${s.height}, ${+s.framerate.toFixed(2)} pictures/s, ${bits(s.bitrate_bps)}`;
    const old = s.frame_age_ms === null ? "no picture yet" : s.frame_age_ms > 2000 ? `no picture for ${time(Math.round(s.frame_age_ms / 1000))}` : "";
    const viewers = s.readers + (s.watchers || 0);
    this.who.textContent = old || `${viewers} ${viewers === 1 ? "viewer" : "viewers"}, picture ${s.frame_age_ms} ms old`;
    this.who.className = old ? "bad" : "";
    this.draw();
  }

  draw() {
    const most = Math.max(...this.history, 1);
    const first = graphLength - this.history.length;
    this.line.setAttribute("points", this.history.map((v, i) => `${first + i},${38 - 36 * v / most}`).join(" "));
    this.graph.setAttribute("aria-label", `bitrate of the last minutes, at most ${bits(most)}`);
  }
}

function showFacts(st) {
  const { camera, host } = st;
  const facts = [
    ["Sensor", camera.sensor || "none yet"],
    ["Read out", camera.mode || camera.sensor_mode],
    ["State", camera.state + (camera.restarts ? `, restarted ${camera.restarts} times` : "")],
    ["Last trouble", camera.last_error],
    ["Board", st.board],
    ["Temperature", host.temperature_c && `${host.temperature_c.toFixed(1)} °C`],
    ["Power", host.throttled === null ? "" : host.throttled ? "throttled" : "good"],
    ["Memory", `${(host.memory_rss_bytes / 1e6).toFixed(0)} MB used by the program`],
    ["Card", host.sd_sectors_written === null ? "" : `${host.sd_sectors_written} sectors written since boot`],
    ["Running for", time(st.uptime_s)],
    ["Version", st.version],
  ];
  $("facts").replaceChildren(...facts.filter(([, value]) => value).flatMap(([what, value]) => [make("dt", {}, what), make("dd", {}, String(value))]));
}

// showAddresses lists what other programs need, by the name under which this page was found.
function showAddresses(st) {
  const here = location.hostname, ports = st.ports || {};
  const list = [];
  for (const stream of Object.keys(st.streams)) {
    if (ports.rtsp) list.push([stream, `rtsp://${here}:${ports.rtsp}/${stream}`]);
    if (ports.rtsps) list.push([stream, `rtsps://${here}:${ports.rtsps}/${stream}`]);
  }
  list.push(["Snapshot", `${location.origin}/camera.jpg`], ["Frigate", `${location.origin}/frigate.yaml`], ["Metrics", `${location.origin}/metrics`],
    ["State", `${location.origin}/status.json`]);
  if (ports.gokrazy) list.push(["System", `http://${here}:${ports.gokrazy}/`]);
  const key = JSON.stringify(list);
  if ($("addresses").dataset.key === key) return;
  $("addresses").dataset.key = key;
  $("addresses").replaceChildren(...list.map(([what, where]) => {
    const copy = make("button", { type: "button", "aria-label": `Copy the address of ${what}` }, "Copy");
    copy.addEventListener("click", () => copyText(where, copy));
    const shown = where.startsWith("http") ? make("a", { className: "where", href: where }, where) : make("span", { className: "where" }, where);
    return make("li", {}, make("span", { className: "what" }, what), shown, copy);
  }));
}

// copyText works on pages without TLS too, where browsers have no clipboard.
async function copyText(text, button) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const field = make("textarea", { value: text, readOnly: true });
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
    button.focus();
  }
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
}

function showState(st, seconds) {
  state = st;
  showHealth(st.healthy, st.healthy ? "All is well" : st.problems.length === 1 ? "1 problem" : `${st.problems.length} problems`);
  showProblems(st.problems);
  for (const [stream, s] of Object.entries(st.streams)) {
    if (!feeds.has(stream)) feeds.set(stream, new Feed(stream));
    feeds.get(stream).update(s, seconds);
  }
  showFacts(st);
  showAddresses(st);
}

async function watchState() {
  for (let last = 0; ; await sleep(document.hidden ? 5 * period : period)) {
    try {
      const st = await (await within(5000, ask("/status.json"))).json();
      const now = performance.now();
      showState(st, last ? (now - last) / 1000 : 0);
      last = now;
      if (!live.name) choose();
    } catch (err) {
      showHealth(false, "No answer");
      showProblems([`The camera does not answer (${err.message}); look at its power and its network cable`]);
    }
  }
}

async function loadHistory() {
  try {
    const { bitrate_bps } = await (await ask("/history.json")).json();
    for (const [stream, list] of Object.entries(bitrate_bps)) {
      feeds.get(stream)?.history.unshift(...list);
      feeds.get(stream)?.draw();
    }
  } catch { /* the graphs begin now */ }
}

// choose shows a stream: the one asked for, else the one watched last, else the smallest.
function choose(stream) {
  const streams = Object.entries(state?.streams || {});
  if (!streams.length) return;
  const wanted = stream || localStorage.getItem("stream");
  if (stream) localStorage.setItem("stream", stream);
  const smallest = streams.reduce((a, b) => a[1].width * a[1].height <= b[1].width * b[1].height ? a : b);
  const [chosen, s] = streams.find(([n]) => n === wanted) || smallest;
  for (const [n, feed] of feeds) feed.button.setAttribute("aria-pressed", n === chosen);
  $("stage").style.aspectRatio = `${s.width} / ${s.height}`;
  live.show(chosen, s.framerate);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) live.hide(); else if (live.name) choose(live.name);
});
$("full").addEventListener("click", () => {
  if (document.fullscreenElement) document.exitFullscreen(); else ($("stage").requestFullscreen || $("video").webkitEnterFullscreen)?.call($("stage").requestFullscreen ? $("stage") : $("video"));
});
$("host").textContent = location.hostname;
watchState();
loadHistory();
