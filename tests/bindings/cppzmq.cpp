// What a program does with cppzmq: messages, sockets and their options, polling, monitors, proxies, multipart messages, and the
// exceptions with their errno. It prints what it sees, the same on every library.
#include <zmq.hpp>
#include <zmq_addon.hpp>

#include <array>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using zmq::recv_flags;
using zmq::send_flags;
using zmq::socket_type;
namespace sockopt = zmq::sockopt;

static const int wait_ms = 10000;

static void section(const char *name) { std::cout << "# " << name << std::endl; }

template <typename Call> static void failing(const char *what, Call call) {
    try {
        call();
        std::cout << what << ": no exception" << std::endl;
    } catch (const zmq::error_t &error) {
        std::cout << what << ": " << error.num() << " " << error.what() << std::endl;
    } catch (const std::exception &error) {
        std::cout << what << ": another exception" << std::endl;
    }
}

static zmq::socket_t socket_of(zmq::context_t &context, socket_type type) {
    zmq::socket_t socket(context, type);
    socket.set(sockopt::rcvtimeo, wait_ms);
    socket.set(sockopt::sndtimeo, wait_ms);
    socket.set(sockopt::linger, 0);
    return socket;
}

static void join(zmq::socket_t &bound, zmq::socket_t &connected, const std::string &transport) {
    static int number;
    if (transport == "tcp") bound.bind("tcp://127.0.0.1:*");
    else if (transport == "ipc") bound.bind("ipc://*");
    else bound.bind("inproc://cppzmq-" + std::to_string(++number));
    connected.connect(bound.get(sockopt::last_endpoint));
}

static std::string text_of(zmq::socket_t &socket) {
    zmq::message_t message;
    auto size = socket.recv(message, recv_flags::none);
    return size ? message.to_string() : "nothing";
}

static void messages() {
    section("message_t");
    zmq::message_t empty, text(std::string("text")), sized(3), raw("raw", 3);
    std::memcpy(sized.data(), "abc", 3);
    std::cout << empty.size() << empty.empty() << " " << text.to_string() << " " << sized.to_string_view() << " " << (raw == raw) << (raw == text) << "\n";
    zmq::message_t moved(std::move(text));
    std::cout << text.size() << " " << moved.to_string() << "\n";
    zmq::message_t large(std::string(1000, 'x')), copy;
    copy.copy(large);
    std::cout << copy.size() << " " << (copy == large) << " " << large.get(ZMQ_SHARED) << " " << copy.more() << "\n";
    std::swap(copy, sized);
    std::cout << copy.to_string() << " " << sized.size() << "\n";
    static int freed = 0;
    static char data[] = "borrowed";
    {
        zmq::message_t borrowed(data, 8, [](void *, void *hint) { ++*static_cast<int *>(hint); }, &freed);
        zmq::message_t second;
        second.copy(borrowed);
        borrowed.rebuild(5);
        std::cout << second.to_string() << " " << freed;
    }
    std::cout << " " << freed << std::endl;
    sized.rebuild("again", 5);
    std::cout << sized.str() << std::endl;
    std::vector<int> numbers{1, 2, 3};
    zmq::message_t range(numbers.begin(), numbers.end());
    std::cout << range.size() << " " << range.data<int>()[2] << std::endl;
    failing("gets", [&] { sized.gets("Nonsense"); });
}

static void patterns(zmq::context_t &context, const std::string &transport) {
    section(transport.c_str());
    auto rep = socket_of(context, socket_type::rep), req = socket_of(context, socket_type::req);
    join(rep, req, transport);
    auto sent = req.send(zmq::str_buffer("question"), send_flags::none);
    std::cout << *sent << " " << text_of(rep) << "\n";
    failing("second request", [&] { req.send(zmq::str_buffer("again")); });
    failing("receive after receiving", [&] { text_of(rep); });
    rep.send(zmq::message_t(std::string("answer")), send_flags::sndmore);
    rep.send(zmq::message_t(), send_flags::none);
    zmq::message_t part;
    (void)req.recv(part);
    std::cout << part.to_string() << " " << part.more() << req.get(sockopt::rcvmore) << " " << (transport == "inproc" ? "" : part.gets("Socket-Type")) << "\n";
    if (transport == "inproc") failing("a property of inproc", [&] { part.gets("Socket-Type"); });
    (void)req.recv(part);
    std::cout << part.size() << " " << part.more() << std::endl;

    auto pull = socket_of(context, socket_type::pull), push = socket_of(context, socket_type::push);
    join(pull, push, transport);
    std::array<char, 6> small;
    push.send(zmq::buffer(std::string("too long a text")));
    auto result = pull.recv(zmq::buffer(small));
    std::cout << result->size << " " << result->untruncated_size << " " << result->truncated() << " " << std::string(small.data(), 6) << "\n";
    std::cout << "dontwait " << bool(pull.recv(part, recv_flags::dontwait)) << std::endl;
    std::vector<std::uint64_t> numbers(500000);
    for (std::size_t at = 0; at < numbers.size(); at++) numbers[at] = at * at;
    push.send(zmq::buffer(numbers), send_flags::none);
    (void)pull.recv(part);
    std::cout << part.size() << " " << (std::memcmp(part.data(), numbers.data(), part.size()) == 0) << std::endl;
    std::thread sender([&] {
        for (int number = 0; number < 20000; number++) push.send(zmq::buffer(&number, sizeof number));
    });
    bool ordered = true;
    for (int number = 0; number < 20000; number++) {
        int came = -1;
        auto size = pull.recv(zmq::mutable_buffer(&came, sizeof came));
        ordered = ordered && size && came == number;
    }
    sender.join();
    std::cout << "ordered " << ordered << std::endl;

    auto router = socket_of(context, socket_type::router), dealer = socket_of(context, socket_type::dealer);
    router.set(sockopt::router_mandatory, true);
    dealer.set(sockopt::routing_id, "dealer");
    join(router, dealer, transport);
    zmq::multipart_t(std::string("hello")).send(dealer);
    zmq::multipart_t multipart(router);
    std::cout << multipart.size() << " " << multipart.peekstr(0) << " " << multipart.peekstr(1) << "\n";
    multipart.addtyp<int>(7);
    multipart.send(router);
    multipart.recv(dealer);
    std::cout << multipart.popstr() << " " << multipart.poptyp<int>() << " " << multipart.empty() << std::endl;
    failing("to nobody", [&] { router.send(zmq::str_buffer("nobody"), send_flags::sndmore); });

    auto xpub = socket_of(context, socket_type::xpub), sub = socket_of(context, socket_type::sub);
    sub.set(sockopt::subscribe, "topic");
    join(xpub, sub, transport);
    auto subscription = text_of(xpub);
    std::cout << int(subscription[0]) << subscription.substr(1);
    xpub.send(zmq::str_buffer("other"));
    xpub.send(zmq::str_buffer("topic"));
    std::cout << " " << text_of(sub);
    sub.set(sockopt::unsubscribe, "topic");
    std::cout << " " << int(text_of(xpub)[0]) << std::endl;
}

static void multipart(zmq::context_t &context) {
    section("multipart");
    auto one = socket_of(context, socket_type::pair), two = socket_of(context, socket_type::pair);
    join(one, two, "tcp");
    zmq::multipart_t message;
    message.addstr("two");
    message.pushstr("one");
    message.addmem("\0three", 6);
    message.add(zmq::message_t());
    zmq::multipart_t copy = message.clone();
    std::cout << (copy == message) << message.size();
    zmq::message_t encoded = message.encode();
    zmq::multipart_t decoded = zmq::multipart_t::decode(encoded);
    std::cout << (decoded == copy) << encoded.size() << std::endl;
    message.send(one);
    zmq::multipart_t came(two);
    std::cout << (came == copy) << message.empty() << came.size() << std::endl;
    std::array<zmq::const_buffer, 3> parts = {zmq::str_buffer("a"), zmq::str_buffer(""), zmq::str_buffer("c")};
    std::cout << *zmq::send_multipart(two, parts);
    std::vector<zmq::message_t> received;
    auto count = zmq::recv_multipart(one, std::back_inserter(received));
    std::cout << *count << received[0].to_string() << received[2].to_string() << std::endl;
    zmq::send_multipart(two, parts);
    std::array<zmq::message_t, 2> few;
    try {
        (void)zmq::recv_multipart_n(one, few.begin(), 2);
        std::cout << "all fit" << std::endl;
    } catch (const std::runtime_error &) {
        std::cout << "more parts than room" << std::endl;
    }
}

template <typename Option, typename Value> static void option(zmq::socket_t &socket, const char *name, Option which, Value value) {
    auto before = socket.get(which);
    socket.set(which, value);
    std::cout << name << " " << before << " " << socket.get(which) << "\n";
}

#define OPTION(name, value) option(socket, #name, sockopt::name, value)

static void options(zmq::context_t &context) {
    section("options");
    auto socket = zmq::socket_t(context, socket_type::dealer);
    OPTION(affinity, std::uint64_t(1));
    OPTION(backlog, 5);
    OPTION(conflate, 1);
    OPTION(connect_timeout, 50);
    OPTION(handshake_ivl, 60);
    OPTION(heartbeat_ivl, 70);
    OPTION(heartbeat_timeout, 80);
    OPTION(heartbeat_ttl, 900);
    OPTION(immediate, 1);
    OPTION(ipv6, 1);
    OPTION(linger, 10);
    OPTION(maxmsgsize, std::int64_t(1 << 20));
    OPTION(multicast_hops, 2);
    OPTION(rate, 10);
    OPTION(rcvbuf, 10000);
    OPTION(rcvhwm, 10);
    OPTION(rcvtimeo, 10);
    OPTION(reconnect_ivl, 10);
    OPTION(reconnect_ivl_max, 100);
    OPTION(recovery_ivl, 10);
    OPTION(sndbuf, 10000);
    OPTION(sndhwm, 10);
    OPTION(sndtimeo, 10);
    OPTION(tcp_keepalive, 1);
    OPTION(tcp_keepalive_cnt, 3);
    OPTION(tcp_keepalive_idle, 4);
    OPTION(tcp_keepalive_intvl, 5);
    OPTION(tcp_maxrt, 6);
    OPTION(tos, 8);
    OPTION(routing_id, "name");
    std::cout << socket.get(sockopt::type) << " " << socket.get(sockopt::mechanism) << " " << socket.get(sockopt::events) << " "
              << (socket.get(sockopt::fd) >= 0) << " " << (socket.get(sockopt::socket_type) == socket_type::dealer) << " '"
              << socket.get(sockopt::last_endpoint) << "' " << socket.get(sockopt::bindtodevice).size() << "\n";
    failing("backlog of another size", [&] { socket.setsockopt(ZMQ_BACKLOG, "x", 1); });
    failing("sndhwm -1", [&] { socket.set(sockopt::sndhwm, -1); });
    failing("rcvtimeo -2", [&] { socket.set(sockopt::rcvtimeo, -2); });
    failing("ipv6 7", [&] { socket.set(sockopt::ipv6, 7); });
    failing("subscribe", [&] { socket.set(sockopt::subscribe, "x"); });
    failing("router_mandatory", [&] { socket.set(sockopt::router_mandatory, 1); });
    failing("xpub_verbose", [&] { socket.set(sockopt::xpub_verbose, 1); });
    failing("a long routing_id", [&] { socket.set(sockopt::routing_id, std::string(256, 'x')); });
    failing("an unknown option", [&] { socket.getsockopt<int>(12345); });
    context.set(zmq::ctxopt::max_sockets, 500);
    std::cout << context.get(zmq::ctxopt::max_sockets) << " " << context.get(zmq::ctxopt::io_threads) << " "
              << context.get(zmq::ctxopt::ipv6) << " " << context.get(zmq::ctxopt::msg_t_size) << std::endl;
    failing("io_threads -1", [&] { context.set(zmq::ctxopt::io_threads, -1); });
}

static void errors(zmq::context_t &context) {
    section("exceptions");
    auto socket = socket_of(context, socket_type::pull);
    failing("a type that is none", [&] { zmq::socket_t(context, 99); });
    failing("bind without a transport", [&] { socket.bind("nonsense"); });
    failing("bind to an unknown transport", [&] { socket.bind("nonsense://x"); });
    failing("bind to a bad port", [&] { socket.bind("tcp://127.0.0.1:99999"); });
    failing("bind elsewhere", [&] { socket.bind("tcp://192.0.2.1:5555"); });
    failing("connect without a port", [&] { socket.connect("tcp://127.0.0.1"); });
    failing("unbind", [&] { socket.unbind("tcp://127.0.0.1:5555"); });
    failing("disconnect", [&] { socket.disconnect("inproc://nobody"); });
    socket.bind("tcp://127.0.0.1:*");
    auto other = socket_of(context, socket_type::pull);
    failing("bind to a taken port", [&] { other.bind(socket.get(sockopt::last_endpoint)); });
    socket.bind("inproc://cppzmq-taken");
    failing("bind to a taken name", [&] { other.bind("inproc://cppzmq-taken"); });
    failing("send on a PULL", [&] { socket.send(zmq::str_buffer("x")); });
    auto push = socket_of(context, socket_type::push);
    failing("receive on a PUSH", [&] { text_of(push); });
    push.set(sockopt::sndtimeo, 20);
    std::cout << "no peer in time: " << bool(push.send(zmq::str_buffer("x"))) << ", at once: " << bool(push.send(zmq::str_buffer("x"), send_flags::dontwait)) << "\n";
    push.close();
    failing("send on a closed one", [&] { push.send(zmq::str_buffer("x")); });
    std::cout << "handles " << bool(push) << bool(other) << (other == other) << (socket == other) << std::endl;

    // A context that ends wakes the call that waits in it.
    zmq::context_t ending;
    auto waiting = zmq::socket_t(ending, socket_type::pull);
    std::thread thread([&] {
        failing("terminated", [&] { text_of(waiting); });
        waiting.close();
    });
    ending.shutdown();
    ending.close();
    thread.join();
    std::cout << "context " << bool(ending.handle()) << std::endl;
    failing("a socket of a closed context", [&] { zmq::socket_t(ending, socket_type::pull); });
}

static void polling(zmq::context_t &context) {
    section("poll");
    auto pull = socket_of(context, socket_type::pull), push = socket_of(context, socket_type::push);
    auto pair = socket_of(context, socket_type::pair), peer = socket_of(context, socket_type::pair);
    join(pull, push, "tcp");
    join(pair, peer, "inproc");
    std::vector<zmq::pollitem_t> items = {{pull, 0, ZMQ_POLLIN, 0}, {pair, 0, ZMQ_POLLIN | ZMQ_POLLOUT, 0}};
    std::cout << zmq::poll(items, 0ms) << " " << items[0].revents << items[1].revents << "\n";
    push.send(zmq::str_buffer("1"));
    items[1].events = ZMQ_POLLIN;
    std::cout << zmq::poll(items, 10s) << " " << items[0].revents << items[1].revents << "\n";
    peer.send(zmq::str_buffer("2"));
    std::cout << zmq::poll(items.data(), items.size(), 10s) << " " << items[0].revents << items[1].revents << "\n";
    std::cout << text_of(pull) << text_of(pair) << " " << zmq::poll(items, 1ms) << std::endl;
    pair.close();
    failing("poll on a closed one", [&] { zmq::poll(items, 0ms); });
}

class Monitor : public zmq::monitor_t {
  public:
    std::vector<std::string> seen;
    void on_monitor_started() override { seen.push_back("started"); }
    void on_event_listening(const zmq_event_t &, const char *address) override { add("listening", address); }
    void on_event_accepted(const zmq_event_t &, const char *address) override { add("accepted", address); }
    void on_event_connected(const zmq_event_t &, const char *address) override { add("connected", address); }
    void on_event_connect_delayed(const zmq_event_t &, const char *address) override { add("connect delayed", address); }
    void on_event_handshake_succeeded(const zmq_event_t &event, const char *address) override {
        add("handshake " + std::to_string(event.value), address);
    }
    void on_event_disconnected(const zmq_event_t &, const char *address) override { add("disconnected", address); }
    void on_event_closed(const zmq_event_t &, const char *address) override { add("closed", address); }
    void on_event_unknown(const zmq_event_t &event, const char *address) override { add("event " + std::to_string(event.event), address); }
    // Prints what comes until there is one that begins like this.
    void until(const char *who, const std::string &last) {
        while (check_event(wait_ms) && (seen.empty() || seen.back().compare(0, last.size(), last))) {}
        std::cout << who << ":";
        for (auto &event : seen) std::cout << " [" << event << "]";
        std::cout << std::endl;
        seen.clear();
    }

  private:
    void add(const std::string &name, const char *address) { seen.push_back(name + " " + std::string(address).substr(0, 6)); }
};

static void monitors(zmq::context_t &context) {
    section("monitor_t");
    auto server = socket_of(context, socket_type::rep), client = socket_of(context, socket_type::req);
    client.set(sockopt::reconnect_ivl, -1);
    Monitor of_server, of_client;
    of_server.init(server, "inproc://cppzmq-server");
    of_client.init(client, "inproc://cppzmq-client", ZMQ_EVENT_CONNECTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED);
    join(server, client, "tcp");
    of_server.until("server", "handshake");
    of_client.until("client", "handshake");
    std::cout << "none left " << of_server.check_event(0) << of_client.check_event(0) << std::endl;
    auto endpoint = server.get(sockopt::last_endpoint);
    client.close();
    of_server.until("server", "disconnected");
    server.unbind(endpoint);
    of_server.until("server", "closed");
    // Another thread waits for events until the monitor is aborted.
    std::thread watcher([&] {
        while (of_server.check_event(wait_ms)) {}
        std::cout << "the watcher ends" << std::endl;
    });
    of_server.abort();
    watcher.join();
    failing("a monitor over tcp", [&] { Monitor().init(server, "tcp://127.0.0.1:5555"); });
}

static void proxies(zmq::context_t &context) {
    section("proxy");
    auto frontend = socket_of(context, socket_type::router), backend = socket_of(context, socket_type::dealer);
    auto capture = socket_of(context, socket_type::push), captured = socket_of(context, socket_type::pull);
    auto control = socket_of(context, socket_type::pair), controller = socket_of(context, socket_type::pair);
    auto req = socket_of(context, socket_type::req), rep = socket_of(context, socket_type::rep);
    for (auto socket : {&frontend, &backend, &capture, &control}) socket->set(sockopt::rcvtimeo, -1);
    join(frontend, req, "tcp");
    join(backend, rep, "ipc");
    join(captured, capture, "inproc");
    join(control, controller, "inproc");
    std::thread thread([&] {
        zmq::proxy_steerable(frontend, backend, zmq::socket_ref(capture), zmq::socket_ref(control));
        std::cout << "the steered proxy ends" << std::endl;
    });
    req.send(zmq::str_buffer("question"));
    std::cout << text_of(rep);
    rep.send(zmq::str_buffer("answer"));
    std::cout << " " << text_of(req) << std::endl;
    std::size_t parts[2];
    for (auto &count : parts) count = zmq::multipart_t(captured).size();
    std::cout << parts[0] << parts[1] << std::endl;
    controller.send(zmq::str_buffer("PAUSE"));
    controller.send(zmq::str_buffer("RESUME"));
    req.send(zmq::str_buffer("after the pause"));
    std::cout << text_of(rep) << std::endl;
    controller.send(zmq::str_buffer("TERMINATE"));
    thread.join();

    zmq::context_t ending;
    std::thread plain([&] {
        auto in = zmq::socket_t(ending, socket_type::pull), out = zmq::socket_t(ending, socket_type::push);
        in.bind("inproc://in");
        out.bind("inproc://out");
        failing("proxy of a context that ends", [&] { zmq::proxy(in, out); });
    });
    {
        auto push = socket_of(ending, socket_type::push), pull = socket_of(ending, socket_type::pull);
        push.connect("inproc://in");
        pull.connect("inproc://out");
        push.send(zmq::str_buffer("through"));
        std::cout << text_of(pull) << std::endl;
    }
    ending.shutdown();
    plain.join();
}

int main() {
    zmq::context_t context;
    try {
        messages();
        for (auto transport : {"tcp", "ipc", "inproc"}) patterns(context, transport);
        multipart(context);
        options(context);
        errors(context);
        polling(context);
        monitors(context);
        proxies(context);
        section("end");
    } catch (const zmq::error_t &error) {
        std::cout << "not caught: " << error.num() << " " << error.what() << std::endl;
        std::_Exit(1);
    }
}
