//  Dashboard.swift — the page that a gateway shows to a browser: one file, nothing from elsewhere.
//
//  Why.  At night one opens a page on a phone. It must work where there is no way out, and must not tell anybody that
//  it was opened: so all of it is here, and its policy forbids the browser to ask anyone but this gateway.
//
//  How.  The page is the same for everybody and tells nothing; what it shows it asks for, `/v1/status` each second,
//  `/v1/flows` every other, and it listens to `/v1/events`. Over TCP it asks its user for the token first, or takes it
//  from behind the `#` of its address, which browsers do not send, and keeps it as long as its tab is open. Whatever
//  comes from a gateway is put in as text, never as HTML.
//
//  While nobody looks at the tab it asks nothing.
//
//  Rejected.  EventSource (it cannot show a token); cookies (then other pages could ask in our user's name).

enum Dashboard {
  /// Scripts and styles of its own, questions to where it came from, and nothing else.
  static let policy =
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'; img-src data:; "
    + "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

  static let page = #"""
    <!doctype html>
    <html lang="en">
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <link rel="icon" href="data:,">
    <title>Hawser</title>
    <style>
    :root { --back: #fff; --card: #f4f5f7; --text: #16181d; --dim: #667; --line: #d5d8de; --good: #1a7f4b;
      --bad: #c62f2f;
      --warn: #945800; --rest: #2b6cb0; }
    @media (prefers-color-scheme: dark) { :root { --back: #101216; --card: #191c22; --text: #e7e9ee; --dim: #98a0ad;
      --line: #2d323b; --good: #4cc38a; --bad: #ff6b6b; --warn: #f0a53a; --rest: #6db3f2; } }
    * { box-sizing: border-box; }
    body { margin: 0; padding: 12px; background: var(--back); color: var(--text);
      font: 14px/1.45 system-ui, sans-serif; font-variant-numeric: tabular-nums; }
    header { display: flex; flex-wrap: wrap; gap: 4px 16px; align-items: baseline; margin: 0 0 10px; }
    h1 { font-size: 18px; margin: 0; } h2 { font-size: 13px; margin: 0 0 6px; color: var(--dim); font-weight: 600; }
    main { display: grid; gap: 12px; grid-template-columns: repeat(12, minmax(0, 1fr)); }
    section { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 10px 12px;
      grid-column: span 12; min-width: 0; overflow-x: auto; }
    @media (min-width: 900px) { .half { grid-column: span 6; } }
    .sum { font-size: 22px; font-weight: 650; } #flowcount { white-space: nowrap; } .dim { color: var(--dim); }
    canvas { width: 100%; height: 160px; display: block; }
    table { border-collapse: collapse; width: 100%; white-space: nowrap; }
    th { text-align: left; color: var(--dim); font-weight: 500; font-size: 12px; }
    th, td { padding: 3px 10px 3px 0; } td.n, th.n { text-align: right; }
    tr + tr td { border-top: 1px solid var(--line); }
    .key { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin-right: 6px; }
    .up, .fine, .connected { color: var(--good); } .down, .unreachable { color: var(--bad); }
    .lossy, .congested, .over-budget, .degraded, .probing, .connecting { color: var(--warn); }
    .standby, .idle { color: var(--rest); }
    .why { white-space: normal; min-width: 14em; color: var(--dim); }
    @media (max-width: 620px) { thead { display: none; } tbody { display: block; } table { white-space: normal; }
      tr { display: flex; flex-wrap: wrap; gap: 2px 14px; padding: 6px 0; }
      tr + tr { border-top: 1px solid var(--line); }
      td, tr + tr td { border: 0; padding: 0; overflow-wrap: anywhere; } .why { flex-basis: 100%; }
      td.n::before, td[data-name=Rule]::before { content: attr(data-name) " "; color: var(--dim); font-size: 12px; }
      td[data-name=To]::before { content: "\2192\a0"; color: var(--dim); } }
    #events div { border-top: 1px solid var(--line); padding: 3px 0; } #events div:first-child { border: 0; }
    #meter { height: 10px; border-radius: 5px; background: var(--line); overflow: hidden; }
    #meter div { height: 100%; width: 0; background: var(--rest); }
    form { display: none; gap: 8px; } form.wanted { display: flex; } input { flex: 1; font: inherit; padding: 6px; }
    button { font: inherit; padding: 6px 12px; } #trouble { color: var(--bad); }
    </style>
    <header>
      <h1 id="name">Hawser</h1><span id="verdict"></span><span class="dim" id="since"></span>
      <span id="trouble" role="status"></span>
    </header>
    <form id="ask"><input id="token" type="password" autocomplete="off" placeholder="the Token of [Control]">
    <button>Show</button></form>
    <main>
      <section><h2>Throughput by path, in and out together, last two minutes</h2>
        <div><span class="sum" id="in" data-bps="0">-</span> in &nbsp;
          <span class="sum" id="out" data-bps="0">-</span> out
        &nbsp; <span class="dim" id="flowcount"></span></div>
        <canvas id="rates" role="img" aria-label="Throughput of the last two minutes"></canvas></section>
      <section><h2>Paths</h2><table id="paths">
        <thead><tr><th>Peer<th>Path<th>State<th>Tier<th class="n">In<th class="n">Out
        <th class="n">Round trip<th class="n">Loss<th class="n">Share<th>Why</thead><tbody></tbody></table></section>
      <section class="half"><h2>Round trip by path, last two minutes</h2>
        <canvas id="trips" role="img" aria-label="Round trips of the last two minutes"></canvas></section>
      <section class="half"><h2>Resequencing buffer</h2>
        <div><span class="sum" id="held">-</span> <span class="dim" id="most"></span></div>
          <div id="meter"><div></div></div>
        <canvas id="fill" role="img" aria-label="Held bytes of the last two minutes"></canvas></section>
      <section><h2>Top flows</h2><table id="flows">
        <thead><tr><th>From<th>To<th><th>Class<th>Stack<th>Rule<th class="n">In
        <th class="n">Out<th class="n">Received<th class="n">Sent</thead><tbody></tbody></table></section>
      <section class="half"><h2>Peers</h2><table id="peers">
        <thead><tr><th>Peer<th>State<th class="n">In<th class="n">Out
        </thead><tbody></tbody></table></section>
      <section class="half"><h2>Events</h2><div id="events"></div></section>
    </main>
    <script>
    "use strict";
    const at = id => document.getElementById(id);
    const most = 120, colours = ["#3b82f6", "#f59e0b", "#10b981", "#ec4899", "#8b5cf6", "#14b8a6", "#f97316",
      "#84cc16"];
    const past = [];
    let token = "";
    try { token = sessionStorage.getItem("hawser") || ""; } catch (e) { token = ""; }
    const given = location.hash.match(/^#token=(.+)$/);
    if (given) { keep(decodeURIComponent(given[1])); history.replaceState(null, "", location.pathname); }
    function keep(text) { token = text; try { sessionStorage.setItem("hawser", text); } catch (e) { return; } }
    function headers(kind) { const h = { Accept: kind }; if (token) h.Authorization = "Bearer " + token; return h; }
    async function get(page) {
      const answer = await fetch(page, { headers: headers("application/json"), cache: "no-store" });
      at("ask").className = answer.status === 401 ? "wanted" : "";
      if (!answer.ok) throw new Error(answer.status === 401 ? "a token is needed" : (await answer.json()).error);
      return answer.json();
    }
    function scaled(value, units) {
      let unit = 0;
      while (value >= 999.5 && unit < units.length - 1) { value /= 1000; unit += 1; }
      return value.toFixed(unit === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2) + " " + units[unit];
    }
    const rate = bps => scaled(bps, ["bit/s", "kbit/s", "Mbit/s", "Gbit/s"]);
    const bytes = count => scaled(count, ["B", "kB", "MB", "GB", "TB"]);
    const counted = (count, noun) => count + " " + noun + (count === 1 ? "" : "s");
    const trip = ms => ms === null ? "-" : ms.toFixed(1) + " ms";
    function age(ms) {
      const s = Math.floor(ms / 1000), d = Math.floor(s / 86400), h = Math.floor(s / 3600) % 24, m = Math.floor(
        s / 60) % 60;
      return d ? d + " d " + h + " h" : h ? h + " h " + m + " min" : m ? m + " min " + s % 60 + " s" : s + " s";
    }
    function fillTable(id, rows) {
      const body = at(id).tBodies[0], names = [...at(id).tHead.rows[0].cells].map(head => head.textContent.trim());
      body.replaceChildren(...rows.map(cells => {
        const row = document.createElement("tr");
        for (const cell of cells) {
          const td = row.insertCell();
          td.dataset.name = names[td.cellIndex];
          const { text, kind, key } = typeof cell === "object" ? cell : { text: cell };
          if (key) { const mark = td.appendChild(document.createElement("span")); mark.className = "key";
            mark.style.background = key; }
          td.append(text);
          if (kind) td.className = kind;
        }
        return row;
      }));
    }
    const number = text => ({ text, kind: "n" });
    const titles = [];
    function colour(title) {
      if (!titles.includes(title)) titles.push(title);
      return colours[titles.indexOf(title) % colours.length];
    }
    function title(peer, path) { return peer + " " + path.name + (path.via ? " via " + path.via : ""); }
    function draw(id, sets, stacked, label) {
      const canvas = at(id), ratio = window.devicePixelRatio || 1, style = getComputedStyle(document.body);
      const width = canvas.clientWidth, height = canvas.clientHeight;
      canvas.width = width * ratio; canvas.height = height * ratio;
      const pen = canvas.getContext("2d");
      pen.scale(ratio, ratio);
      let top = 0;
      for (let i = 0; i < past.length; i++) {
        const values = sets.map(set => set.values[i] || 0);
        top = Math.max(top, stacked ? values.reduce((a, b) => a + b, 0) : Math.max(0, ...values));
      }
      top = top * 1.1 || 1;
      const x = i => width - (past.length - 1 - i) * width / (most - 1), y = value => height - 2 - value / top * (
        height - 16);
      const base = past.map(() => 0);
      for (const set of sets) {
        pen.beginPath();
        past.forEach((_, i) => { const v = (set.values[i] || 0) + (stacked ? base[i] : 0); i ? pen.lineTo(x(i), y(
          v)) : pen.moveTo(x(i), y(v)); });
        pen.strokeStyle = set.colour; pen.lineWidth = 1.5; pen.stroke();
        if (stacked) {
          for (let i = past.length - 1; i >= 0; i--) pen.lineTo(x(i), y(base[i]));
          pen.closePath(); pen.globalAlpha = 0.35; pen.fillStyle = set.colour; pen.fill(); pen.globalAlpha = 1;
          past.forEach((_, i) => { base[i] += set.values[i] || 0; });
        }
      }
      pen.fillStyle = style.color; pen.globalAlpha = 0.6; pen.font = "11px system-ui, sans-serif";
      pen.fillText(label(top / 1.1), 2, 11); pen.globalAlpha = 1;
    }
    function show(status) {
      at("name").textContent = status.interface; document.title = status.interface + ": " + status.verdict;
      at("verdict").textContent = status.verdict; at("verdict").className = status.verdict;
      at("since").textContent = "up for " + age(status.uptime_ms) + ", version " + status.version;
      for (const [id, key] of [["in", "received_rate_bps"], ["out", "sent_rate_bps"]]) {
        at(id).textContent = rate(status[key]); at(id).dataset.bps = status[key];
      }
      at("flowcount").textContent = counted(status.flows, "flow");
      at("held").textContent = bytes(status.resequencer.held_bytes);
      at("most").textContent = "of " + bytes(status.resequencer.most_bytes) + ", in " +
        counted(status.resequencer.held_segments, "segment");
      at("meter").firstElementChild.style.width = 100 * status.resequencer.held_bytes / Math.max(1,
        status.resequencer.most_bytes) + "%";
      const paths = status.peers.flatMap(peer => peer.paths.map(path => ({ peer: peer.name, path, title: title(
        peer.name, path) })));
      past.push({ held: status.resequencer.held_bytes, paths: Object.fromEntries(paths.map(p =>
        [p.title, { rate: p.path.sent_rate_bps + p.path.received_rate_bps, trip: p.path.rtt_ms || 0 }])) });
      if (past.length > most) past.shift();
      fillTable("paths", paths.map(p => [p.peer, { text: p.title.slice(p.peer.length + 1), key: colour(p.title) },
        { text: p.path.state, kind: p.path.state }, p.path.tier, number(rate(p.path.received_rate_bps)), number(
          rate(p.path.sent_rate_bps)),
        number(trip(p.path.rtt_ms)), number(p.path.loss_percent.toFixed(1) + " %"),
        number(p.path.share === null ? "-" : Math.round(p.path.share * 100) + " %"), { text: p.path.state_reason,
          kind: "why" }]));
      fillTable("peers", status.peers.map(peer => [peer.name, { text: peer.state, kind: peer.state },
        number(rate(peer.received_rate_bps)), number(rate(peer.sent_rate_bps))]));
      const sets = what => paths.map(p => ({ colour: colour(p.title), values: past.map(then => (
        then.paths[p.title] || {})[what] || 0) }));
      draw("rates", sets("rate"), true, rate);
      draw("trips", sets("trip"), false, trip);
      draw("fill", [{ colour: colours[0], values: past.map(then => then.held) }], true, bytes);
    }
    function showFlows(list) {
      const end = (host, port) => port ? (host.includes(":") ? "[" + host + "]" : host) + ":" + port : host;
      fillTable("flows", list.flows.map(flow => [end(flow.source, flow.source_port), end(flow.destination,
        flow.destination_port), flow.protocol,
        flow.class, flow.stack, flow.rule || "-", number(rate(flow.received_rate_bps)), number(rate(
          flow.sent_rate_bps)),
        number(bytes(flow.received_bytes)), number(bytes(flow.sent_bytes))]));
    }
    let turns = 0;
    async function turn() {
      try {
        if (!document.hidden || turns === 0) {
          show(await get("/v1/status"));
          if (turns % 2 === 0) showFlows(await get("/v1/flows?top=12"));
          turns += 1;
        }
        at("trouble").textContent = "";
      } catch (error) { at("trouble").textContent = error.message || "the gateway does not answer"; }
      setTimeout(turn, 1000);
    }
    let last = 0;
    function tell(event) {
      if (event.id <= last) return;
      last = event.id;
      const line = document.createElement("div");
      const time = line.appendChild(document.createElement("span"));
      time.className = "dim"; time.textContent = new Date(event.time_ms).toLocaleTimeString() + " ";
      line.append(event.text);
      at("events").prepend(line);
      while (at("events").childElementCount > 50) at("events").lastElementChild.remove();
    }
    async function listen() {
      try {
        const h = headers("text/event-stream");
        if (last) h["Last-Event-ID"] = String(last);
        const answer = await fetch("/v1/events", { headers: h, cache: "no-store" });
        if (answer.ok) {
          const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
          let text = "";
          for (;;) {
            const { value, done } = await reader.read();
            if (done) break;
            const blocks = (text + value).split("\n\n");
            text = blocks.pop();
            for (const block of blocks) {
              const data = block.split("\n").find(line => line.startsWith("data: "));
              if (block.startsWith("id: ") && data) tell(JSON.parse(data.slice(6)));
            }
          }
        }
      } catch (error) { at("trouble").textContent = "the events stopped; asking again"; }
      setTimeout(listen, 2000);
    }
    at("ask").addEventListener("submit", event => { event.preventDefault(); keep(at("token").value); turns = 0; });
    turn(); listen();
    </script>
    </html>
    """#
}
