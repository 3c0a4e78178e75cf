/* Where the races of the board take place; each returns when all are over. */
#ifndef LAT_RACE_PLACES_H
#define LAT_RACE_PLACES_H

void race_between_threads(void);   /* of one process, within a node by itself */
void race_between_processes(void); /* who hosts, who sends, who receives */
/* Two processes of the issuer's node, one of which is attached, and one with the senders' nodes. */
void race_over_udp(void);
void race_over_tcp(void); /* connections are cut again and again */

#endif
