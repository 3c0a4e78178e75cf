/*
 * The picture: a row for each goal, and in it a bar from the goal, which is a line from top to bottom, to where the ratio is;
 * to the left what is better, to the right what misses. The scale is logarithmic, so a bar twice as long is a square.
 */
#include <math.h>
#include <string.h>

#include "lib/place.h"
#include "lib/report.h"

enum { WIDTH = 1000, WORDS = 76, LEFT = 430, RIGHT = 150, TOP = 84, ROW = 40, BAR = 16, FOOT = 44 };

#define LOW  (-3.0) /* an eighth of the goal */
#define HIGH 5.0    /* 32 times */

static double x_of(double doublings)
{
	double at = doublings < LOW ? LOW : doublings > HIGH ? HIGH : doublings;

	return LEFT + (at - LOW) / (HIGH - LOW) * (WIDTH - LEFT - RIGHT);
}

static void text(FILE *to, double x, double y, const char *class, const char *words)
{
	fprintf(to, "<text class=\"%s\" x=\"%.1f\" y=\"%.1f\">", class, x, y);
	for (; *words != '\0'; words++) {
		if (*words == '<')
			fputs("&lt;", to);
		else if (*words == '>')
			fputs("&gt;", to);
		else if (*words == '&')
			fputs("&amp;", to);
		else
			fputc(*words, to);
	}
	fputs("</text>\n", to);
}

static void axis(FILE *to, int rows)
{
	double bottom = TOP + rows * ROW;

	for (int i = (int)LOW; i <= (int)HIGH; i++) {
		char label[32];

		fprintf(to, "<line class=\"%s\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
			i == 0 ? "goal" : "grid", x_of(i), TOP - 6, x_of(i), bottom);
		if (i < 0)
			(void)snprintf(label, sizeof(label), "1/%d", 1 << -i);
		else
			(void)snprintf(label, sizeof(label), i == 0 ? "goal" : "%d x", 1 << i);
		text(to, x_of(i), bottom + 18, "tick", label);
	}
	text(to, x_of(0) - 10, TOP - 14, "end", "better");
	text(to, x_of(0) + 10, TOP - 14, "small", "misses");
}

static void row(FILE *to, int i, const struct bench_goal *g, const struct bench_verdict *v)
{
	double y = TOP + i * ROW, at, zero = x_of(0);
	char line[160], value[32], limit[32], ratio[32];

	(void)snprintf(line, sizeof(line), "%s", g->name);
	text(to, 16, y + 17, "name", line);
	(void)snprintf(line, sizeof(line), "%s", g->what);
	text(to, WORDS, y + 13, "small", line);
	if (!v->known) {
		text(to, WORDS, y + 27, "quiet", v->note);
		return;
	}
	(void)snprintf(line, sizeof(line), "%s; %s: %s", bench_text(value, v->value, v->unit), g->than,
		       bench_text(limit, v->limit, v->unit));
	text(to, WORDS, y + 27, "quiet", line);
	at = x_of(log2(g->at_least ? g->goal / v->ratio : v->ratio / g->goal));
	fprintf(to, "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\" rx=\"2\"/>\n",
		v->holds ? "holds" : "missed", fmin(at, zero), y + 7, fmax(fabs(at - zero), 1.5), BAR);
	(void)snprintf(line, sizeof(line), "%s (%s %.2f)", bench_text(ratio, v->ratio, ""), v->wanted,
		       g->goal);
	text(to, WIDTH - RIGHT + 14, y + 20, v->holds ? "small" : "bad", line);
}

void bench_plot(FILE *to, const struct bench_run *run)
{
	char machine[320];
	int rows = 0, height;

	for (const struct bench_goal *g = run->plan->goals; g != NULL && g->name != NULL; g++)
		rows++;
	height = TOP + rows * ROW + FOOT;
	bench_place_describe(machine, sizeof(machine));
	fprintf(to,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" "
		"font-family=\"sans-serif\">\n"
		"<style>\n"
		"text { font-size: 12px; fill: #222 }\n"
		".title { font-size: 17px; font-weight: bold }\n"
		".name { font-size: 14px; font-weight: bold }\n"
		".quiet { fill: #777 }\n"
		".bad { fill: #b3261e; font-weight: bold }\n"
		".tick { text-anchor: middle; fill: #777 }\n"
		".end { text-anchor: end }\n"
		".grid { stroke: #e4e4e4 }\n"
		".goal { stroke: #222; stroke-width: 1.5 }\n"
		".holds { fill: #2e8b57 }\n"
		".missed { fill: #c9473d }\n"
		"</style>\n"
		"<rect width=\"%d\" height=\"%d\" fill=\"#fff\"/>\n",
		WIDTH, height, WIDTH, height, WIDTH, height);
	text(to, 16, 28, "title", run->plan->title);
	text(to, 16, 48, "quiet", machine);
	axis(to, rows);
	rows = 0;
	for (const struct bench_goal *g = run->plan->goals; g != NULL && g->name != NULL; g++, rows++) {
		struct bench_verdict v = bench_goal_verdict(run, g);

		row(to, rows, g, &v);
	}
	fprintf(to, "</svg>\n");
}
