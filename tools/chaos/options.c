/* What is asked for: one table, for reading and for the help. */
#include <arpa/inet.h>
#include <getopt.h>
#include <net/if.h>
#include <string.h>

#include "sock.h"

enum { UDP = 1, TCP = 2, TUN = 4, PACKETS = UDP | TUN, SOCKETS = UDP | TCP, ALL = UDP | TCP | TUN };
enum { FAILED = 2, WIDTH = 24 };

enum what {
	LISTEN = 1,
	TO,
	NETNS,
	ADDRESS,
	DEVICE,
	LOSS,
	BURST,
	BURST_LENGTH,
	DUP,
	REORDER,
	REORDER_BY,
	CORRUPT,
	TRUNCATE,
	WAY,
	MTU,
	DELAY,
	JITTER,
	RATE,
	QUEUE,
	BLACKOUT,
	SPLIT,
	CUT,
	REBIND,
	WEATHER,
	SEED,
	JSON,
	HELP,
};

static const struct row {
	enum what id;
	int modes;
	const char *name, *arg, *help;
} rows[] = {
	{ LISTEN, SOCKETS, "listen", "ADDRESS",
	  "where clients come: 127.0.0.1:15001, [::1]:0 (any free port)" },
	{ TO, SOCKETS, "to", "ADDRESS", "where they want" },
	{ NETNS, TUN, "netns", "NAME",
	  "one of the two network namespaces, by name or path; the second, if given again" },
	{ ADDRESS, TUN, "address", "IPV4",
	  "of the device there, in a /24; the second, if given again (10.79.0.1, .2)" },
	{ DEVICE, TUN, "device", "NAME", "what the devices are called (chaos0)" },
	{ LOSS, PACKETS, "loss", "PERCENT", "are lost, each by itself" },
	{ BURST, PACKETS, "burst", "PERCENT", "begin a burst of losses" },
	{ BURST_LENGTH, PACKETS, "burst-length", "COUNT", "packets that a burst takes on average (50)" },
	{ DUP, PACKETS, "dup", "PERCENT", "are doubled" },
	{ REORDER, PACKETS, "reorder", "PERCENT", "are held back, so that others overtake them" },
	{ REORDER_BY, PACKETS, "reorder-by", "MS", "and for so long (2)" },
	{ CORRUPT, PACKETS, "corrupt", "PERCENT", "have one bit turned" },
	{ TRUNCATE, PACKETS, "truncate", "PERCENT", "are cut off somewhere" },
	{ MTU, PACKETS, "mtu", "BYTES[@MS]", "longer ones vanish; from that time on" },
	{ WAY, PACKETS, "way", "up|down", "all this happens in one direction only" },
	{ WEATHER, PACKETS, "weather", "MS", "every so often one of the above changes by itself" },
	{ DELAY, ALL, "delay", "MS", "everything arrives so much later" },
	{ JITTER, ALL, "jitter", "MS", "and by up to so much more, each packet its own" },
	{ RATE, ALL, "rate", "KIB", "a bottleneck: KiB a second" },
	{ QUEUE, PACKETS, "queue", "KIB", "what may wait before it; the rest is dropped (256)" },
	{ BLACKOUT, ALL, "blackout", "MS@MS",
	  "nothing gets through for so long, from that time on; up to 16 times" },
	{ SPLIT, TCP, "split", "BYTES", "the stream comes in pieces of 1 to so many bytes" },
	{ CUT, TCP, "cut", "MS", "every so often all connections are reset" },
	{ REBIND, UDP, "rebind", "MS", "every so often all clients get another source port" },
	{ SEED, ALL, "seed", "NUMBER", "what happens by chance follows from it (1)" },
	{ JSON, ALL, "json", NULL, "what happened, as one JSON object" },
	{ HELP, ALL, "help", NULL, "this" },
};

static const struct {
	const char *name;
	int mode;
	const struct chaos_relay *relay;
	const char *help;
} modes[] = {
	{ "udp", UDP, &chaos_udp, "relays datagrams, as a router with address translation does" },
	{ "tcp", TCP, &chaos_tcp, "relays connections" },
	{ "tun", TUN, &chaos_tun, "joins two network namespaces by a TUN device in each (root)" },
};

static void help(void)
{
	printf("usage: lattice-chaos udp|tcp|tun OPTIONS\n\nTraffic passes through it, and suffers on the way.\n\n");
	for (size_t i = 0; i < ARRAY_LEN(modes); i++)
		printf("  %-*s%s\n", WIDTH, modes[i].name, modes[i].help);
	printf("\n");
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char left[64], only[32] = "";

		(void)snprintf(left, sizeof(left), "--%s%s%s", rows[i].name, rows[i].arg != NULL ? " " : "",
			       rows[i].arg != NULL ? rows[i].arg : "");
		for (size_t m = 0; m < ARRAY_LEN(modes) && rows[i].modes != ALL; m++)
			if ((rows[i].modes & modes[m].mode) != 0)
				(void)snprintf(only + strlen(only), sizeof(only) - strlen(only), "%s%s",
					       only[0] == '\0' ? " (" : ", ", modes[m].name);
		printf("  %-*s%s%s%s\n", WIDTH, left, rows[i].help, only, only[0] == '\0' ? "" : ")");
	}
	printf("\nTimes count from the first packet. SIGUSR1 rebinds or cuts at once; SIGINT and SIGTERM end it, and it says what\n"
	       "happened. Exit status: 0, 1 when something failed, 2 for wrong usage.\n");
}

/* ---- values ---- */

/* A decimal number with at most @decimals places, times 10^decimals. false: it is none, or over @max. */
static bool number(const char *text, size_t length, int decimals, uint64_t max, uint64_t *out)
{
	uint64_t n = 0;
	int places = -1, digits = 0;

	for (size_t i = 0; i < length; i++) {
		if (text[i] == '.' && places < 0 && decimals > 0 && digits > 0) {
			places = 0;
			continue;
		}
		if (text[i] < '0' || text[i] > '9' || n > max || places == decimals)
			return false;
		n = 10 * n + (uint64_t)(text[i] - '0');
		digits++;
		places += places >= 0;
	}
	if (digits == 0 || places == 0)
		return false;
	for (int i = places < 0 ? 0 : places; i < decimals; i++)
		n *= 10;
	if (n > max)
		return false;
	*out = n;
	return true;
}

static bool per_mille(const char *text, uint32_t *out)
{
	uint64_t n;

	if (!number(text, strlen(text), 1, 1000, &n))
		return false;
	*out = (uint32_t)n;
	return true;
}

/* Milliseconds, with up to three places; in nanoseconds. An hour at most. */
static bool milliseconds(const char *text, size_t length, uint64_t *out)
{
	uint64_t us;

	if (!number(text, length, 3, UINT64_C(3600) * 1000 * 1000, &us))
		return false;
	*out = us * (uint64_t)LAT_NS_PER_US;
	return true;
}

static bool interval(const char *text, uint64_t *out)
{
	return milliseconds(text, strlen(text), out) && *out != 0;
}

static bool bytes(const char *text, size_t length, uint64_t unit, uint64_t *out)
{
	if (!number(text, length, 0, UINT64_C(1) << 32, out) || *out == 0)
		return false;
	*out *= unit;
	return true;
}

static bool blackout(struct chaos_options *o, const char *text)
{
	const char *at = strchr(text, '@');
	struct chaos_span s;

	if (at == NULL || o->blackouts == CHAOS_BLACKOUTS_MAX ||
	    !milliseconds(text, (size_t)(at - text), &s.length) ||
	    !milliseconds(at + 1, strlen(at + 1), &s.at))
		return false;
	o->blackout[o->blackouts++] = s;
	return true;
}

static bool mtu(struct chaos_options *o, const char *text)
{
	size_t length = strcspn(text, "@");
	uint64_t n;

	if (!bytes(text, length, 1, &n) ||
	    (text[length] == '@' &&
	     !milliseconds(text + length + 1, strlen(text + length + 1), &o->mtu_cut_at)))
		return false;
	o->mtu_cut = (size_t)n;
	return true;
}

static bool second(const char *out[CHAOS_WAYS], bool *again, const char *text)
{
	if (*again && out[1] != NULL)
		return false;
	out[*again] = text;
	*again = true;
	return true;
}

struct reading {
	struct chaos_options *o;
	uint64_t burst_length;
	bool listen, to, netns, address;
	const char *addresses[CHAOS_WAYS];
};

static bool value(struct reading *r, enum what id, const char *text)
{
	struct chaos_options *o = r->o;
	struct in_addr v4;
	uint64_t n;

	switch (id) {
	case LISTEN:
		return r->listen = chaos_place_parse(&o->listen, text);
	case TO:
		return r->to = chaos_place_parse(&o->to, text);
	case NETNS:
		return second(o->netns, &r->netns, text);
	case ADDRESS:
		return inet_pton(AF_INET, text, &v4) == 1 && second(r->addresses, &r->address, text);
	case DEVICE:
		o->device = text;
		return text[0] != '\0' && strlen(text) < IFNAMSIZ;
	case LOSS:
		return per_mille(text, &o->faults.loss);
	case BURST:
		return per_mille(text, &o->faults.burst_in);
	case BURST_LENGTH:
		return number(text, strlen(text), 0, 1000, &r->burst_length) && r->burst_length > 0;
	case DUP:
		return per_mille(text, &o->faults.dup);
	case REORDER:
		return per_mille(text, &o->faults.late);
	case REORDER_BY:
		return interval(text, &o->faults.late_by);
	case CORRUPT:
		return per_mille(text, &o->faults.corrupt);
	case TRUNCATE:
		return per_mille(text, &o->faults.truncate);
	case WAY:
		o->way[0] = strcmp(text, "up") == 0;
		o->way[1] = strcmp(text, "down") == 0;
		return o->way[0] || o->way[1];
	case MTU:
		return mtu(o, text);
	case DELAY:
		return milliseconds(text, strlen(text), &o->faults.delay);
	case JITTER:
		return milliseconds(text, strlen(text), &o->faults.jitter);
	case RATE:
		return bytes(text, strlen(text), 1024, &o->rate);
	case QUEUE:
		if (!bytes(text, strlen(text), 1024, &n))
			return false;
		o->queue = (size_t)n;
		return true;
	case BLACKOUT:
		return blackout(o, text);
	case SPLIT:
		if (!bytes(text, strlen(text), 1, &n))
			return false;
		o->split = (size_t)n;
		return true;
	case CUT:
	case REBIND:
		return interval(text, &o->strike_every);
	case WEATHER:
		return interval(text, &o->weather_every);
	case SEED:
		return number(text, strlen(text), 0, UINT64_MAX / 20, &o->seed);
	case JSON:
		return o->json = true;
	case HELP:
		break;
	}
	return true;
}

static int wrong(void)
{
	fputs("try 'lattice-chaos --help'\n", stderr);
	return FAILED + 1;
}

/* What is asked for as a whole. */
static bool complete(struct reading *r, int mode)
{
	struct chaos_options *o = r->o;

	if ((mode & SOCKETS) != 0 && !(r->listen && r->to)) {
		chaos_say("--listen says where clients come, and --to where they want: both are needed");
		return false;
	}
	if (mode == TUN && o->netns[0] == NULL) {
		chaos_say("--netns names a network namespace, and when given again a second one");
		return false;
	}
	if (mode == TUN && (r->addresses[0] == NULL) != (r->addresses[1] == NULL)) {
		chaos_say("--address is given twice or not at all");
		return false;
	}
	o->address[0] = r->addresses[0] != NULL ? r->addresses[0] : "10.79.0.1";
	o->address[1] = r->addresses[1] != NULL ? r->addresses[1] : "10.79.0.2";
	if (o->faults.burst_in != 0)
		o->faults.burst_out = (uint32_t)(1000 / r->burst_length);
	if (o->mtu_cut != 0 && o->mtu_cut_at == 0)
		o->faults.mtu = o->mtu_cut;
	return true;
}

int chaos_options_parse(struct chaos_options *o, int argc, char **argv)
{
	struct reading r = { .o = o, .burst_length = 50 };
	struct option words[ARRAY_LEN(rows) + 1] = { 0 };
	size_t mode = 0, i;
	int found, at;

	*o = (struct chaos_options){
		.seed = 1, .queue = 256 << 10, .way = { true, true }, .device = "chaos0"
	};
	o->faults.late_by = 2 * (uint64_t)LAT_NS_PER_MS;
	if (argc > 1 && strcmp(argv[1], "--help") == 0) {
		help();
		return 1;
	}
	while (mode < ARRAY_LEN(modes) && (argc < 2 || strcmp(argv[1], modes[mode].name) != 0))
		mode++;
	if (mode == ARRAY_LEN(modes)) {
		chaos_say(argc < 2 ? "udp, tcp or tun?" : "'%s' is none of udp, tcp and tun", argv[1]);
		return wrong();
	}
	for (i = 0; i < ARRAY_LEN(rows); i++)
		words[i] = (struct option){ rows[i].name, rows[i].arg != NULL, NULL, (int)i };
	opterr = 0;
	optind = 2;
	while (at = optind, (found = getopt_long(argc, argv, ":", words, NULL)) != -1) {
		if (found == '?' || found == ':') {
			chaos_say(found == ':' ? "%s wants a value" : "there is no option %s", argv[at]);
			return wrong();
		}
		if (rows[found].id == HELP) {
			help();
			return 1;
		}
		if ((rows[found].modes & modes[mode].mode) == 0) {
			chaos_say("--%s is nothing that happens with %s", rows[found].name, modes[mode].name);
			return wrong();
		}
		if (!value(&r, rows[found].id, optarg)) {
			chaos_say("'%s' is not what --%s takes: %s", optarg, rows[found].name,
				  rows[found].arg);
			return wrong();
		}
	}
	if (optind < argc) {
		chaos_say("'%s' is too much", argv[optind]);
		return wrong();
	}
	if (!complete(&r, modes[mode].mode))
		return wrong();
	o->relay = modes[mode].relay;
	return 0;
}
