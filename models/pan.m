#define rand	pan_rand
#define pthread_equal(a,b)	((a)==(b))
#if defined(HAS_CODE) && defined(VERBOSE)
	#ifdef BFS_PAR
		bfs_printf("Pr: %d Tr: %d\n", II, t->forw);
	#else
		cpu_printf("Pr: %d Tr: %d\n", II, t->forw);
	#endif
#endif
	switch (t->forw) {
	default: Uerror("bad forward move");
	case 0:	/* if without executable clauses */
		continue;
	case 1: /* generic 'goto' or 'skip' */
		IfNotBlocked
		_m = 3; goto P999;
	case 2: /* generic 'else' */
		IfNotBlocked
		if (trpt->o_pm&1) continue;
		_m = 3; goto P999;

		 /* PROC :init: */
	case 3: // STATE 1 - wake.pml:307 - [(run sender(0))] (0:0:0 - 1)
		IfNotBlocked
		reached[3][1] = 1;
		if (!(addproc(II, 1, 1, 0)))
			continue;
		_m = 3; goto P999; /* 0 */
	case 4: // STATE 2 - wake.pml:308 - [i = 1] (0:0:1 - 1)
		IfNotBlocked
		reached[3][2] = 1;
		(trpt+1)->bup.oval = ((int)((P3 *)_this)->i);
		((P3 *)_this)->i = 1;
#ifdef VAR_RANGES
		logval(":init::i", ((int)((P3 *)_this)->i));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 5: // STATE 3 - wake.pml:310 - [((i<(1+1)))] (0:0:0 - 1)
		IfNotBlocked
		reached[3][3] = 1;
		if (!((((int)((P3 *)_this)->i)<(1+1))))
			continue;
		_m = 3; goto P999; /* 0 */
	case 6: // STATE 4 - wake.pml:310 - [(run receiver(i))] (0:0:0 - 1)
		IfNotBlocked
		reached[3][4] = 1;
		if (!(addproc(II, 1, 2, ((int)((P3 *)_this)->i))))
			continue;
		_m = 3; goto P999; /* 0 */
	case 7: // STATE 5 - wake.pml:310 - [i = (i+1)] (0:0:1 - 1)
		IfNotBlocked
		reached[3][5] = 1;
		(trpt+1)->bup.oval = ((int)((P3 *)_this)->i);
		((P3 *)_this)->i = (((int)((P3 *)_this)->i)+1);
#ifdef VAR_RANGES
		logval(":init::i", ((int)((P3 *)_this)->i));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 8: // STATE 12 - wake.pml:314 - [(timeout)] (0:0:0 - 1)
		IfNotBlocked
		reached[3][12] = 1;
		if (!(((trpt->tau)&1)))
			continue;
		_m = 1; goto P999; /* 0 */
	case 9: // STATE 13 - wake.pml:315 - [i = 1] (0:0:1 - 1)
		IfNotBlocked
		reached[3][13] = 1;
		(trpt+1)->bup.oval = ((int)((P3 *)_this)->i);
		((P3 *)_this)->i = 1;
#ifdef VAR_RANGES
		logval(":init::i", ((int)((P3 *)_this)->i));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 10: // STATE 14 - wake.pml:317 - [((i<(1+1)))] (0:0:0 - 1)
		IfNotBlocked
		reached[3][14] = 1;
		if (!((((int)((P3 *)_this)->i)<(1+1))))
			continue;
		_m = 3; goto P999; /* 0 */
	case 11: // STATE 15 - wake.pml:317 - [assert(!((asleep[i]&&(taken<3))))] (0:0:0 - 1)
		IfNotBlocked
		reached[3][15] = 1;
		spin_assert( !((((int)now.asleep[ Index(((int)((P3 *)_this)->i), 2) ])&&(((int)now.taken)<3))), " !((asleep[i]&&(taken<3)))", II, tt, t);
		_m = 3; goto P999; /* 0 */
	case 12: // STATE 16 - wake.pml:317 - [i = (i+1)] (0:0:1 - 1)
		IfNotBlocked
		reached[3][16] = 1;
		(trpt+1)->bup.oval = ((int)((P3 *)_this)->i);
		((P3 *)_this)->i = (((int)((P3 *)_this)->i)+1);
#ifdef VAR_RANGES
		logval(":init::i", ((int)((P3 *)_this)->i));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 13: // STATE 22 - wake.pml:320 - [-end-] (0:0:0 - 3)
		IfNotBlocked
		reached[3][22] = 1;
		if (!delproc(1, II)) continue;
		_m = 3; goto P999; /* 0 */

		 /* PROC receiver */
	case 14: // STATE 2 - wake.pml:213 - [(!(turn))] (59:0:1 - 1)
		IfNotBlocked
		reached[2][2] = 1;
		if (!( !(((int)now.turn))))
			continue;
		/* merge: turn = 1(0, 3, 59) */
		reached[2][3] = 1;
		(trpt+1)->bup.oval = ((int)now.turn);
		now.turn = 1;
#ifdef VAR_RANGES
		logval("turn", ((int)now.turn));
#endif
		;
		_m = 3; goto P999; /* 1 */
	case 15: // STATE 6 - wake.pml:157 - [found = 0] (0:0:1 - 1)
		IfNotBlocked
		reached[2][6] = 1;
		(trpt+1)->bup.oval = ((int)((P2 *)_this)->found);
		((P2 *)_this)->found = 0;
#ifdef VAR_RANGES
		logval("receiver:found", ((int)((P2 *)_this)->found));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 16: // STATE 7 - wake.pml:167 - [(stack)] (0:0:0 - 1)
		IfNotBlocked
		reached[2][7] = 1;
		if (!(((int)now.stack)))
			continue;
		_m = 3; goto P999; /* 0 */
	case 17: // STATE 8 - wake.pml:167 - [stack = 0] (0:0:1 - 1)
		IfNotBlocked
		reached[2][8] = 1;
		(trpt+1)->bup.oval = ((int)now.stack);
		now.stack = 0;
#ifdef VAR_RANGES
		logval("stack", ((int)now.stack));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 18: // STATE 9 - wake.pml:123 - [listed = 1] (0:0:1 - 1)
		IfNotBlocked
		reached[2][9] = 1;
		(trpt+1)->bup.oval = ((int)now.listed);
		now.listed = 1;
#ifdef VAR_RANGES
		logval("listed", ((int)now.listed));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 19: // STATE 14 - wake.pml:172 - [(!(listed))] (0:0:0 - 1)
		IfNotBlocked
		reached[2][14] = 1;
		if (!( !(((int)now.listed))))
			continue;
		_m = 3; goto P999; /* 0 */
	case 20: // STATE 16 - wake.pml:174 - [((listed&&(mem[0]>taken)))] (0:0:0 - 1)
		IfNotBlocked
		reached[2][16] = 1;
		if (!((((int)now.listed)&&(((int)now.mem[0])>((int)now.taken)))))
			continue;
		_m = 3; goto P999; /* 0 */
	case 21: // STATE 17 - wake.pml:175 - [taken = (taken+1)] (0:0:1 - 1)
		IfNotBlocked
		reached[2][17] = 1;
		(trpt+1)->bup.oval = ((int)now.taken);
		now.taken = (((int)now.taken)+1);
#ifdef VAR_RANGES
		logval("taken", ((int)now.taken));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 22: // STATE 18 - wake.pml:176 - [found = 1] (0:0:1 - 1)
		IfNotBlocked
		reached[2][18] = 1;
		(trpt+1)->bup.oval = ((int)((P2 *)_this)->found);
		((P2 *)_this)->found = 1;
#ifdef VAR_RANGES
		logval("receiver:found", ((int)((P2 *)_this)->found));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 23: // STATE 20 - wake.pml:178 - [(((listed&&!((mem[0]>taken)))&&(hot_word&1)))] (0:0:0 - 1)
		IfNotBlocked
		reached[2][20] = 1;
		if (!(((((int)now.listed)&& !((((int)now.mem[0])>((int)now.taken))))&&(((int)now.hot_word)&1))))
			continue;
		_m = 3; goto P999; /* 0 */
	case 24: // STATE 21 - wake.pml:186 - [(!(stack))] (0:0:0 - 1)
		IfNotBlocked
		reached[2][21] = 1;
		if (!( !(((int)now.stack))))
			continue;
		_m = 3; goto P999; /* 0 */
	case 25: // STATE 26 - wake.pml:190 - [(((listed&&!((mem[0]>taken)))&&!((hot_word&1))))] (0:0:0 - 1)
		IfNotBlocked
		reached[2][26] = 1;
		if (!(((((int)now.listed)&& !((((int)now.mem[0])>((int)now.taken))))&& !((((int)now.hot_word)&1)))))
			continue;
		_m = 3; goto P999; /* 0 */
	case 26: // STATE 27 - wake.pml:192 - [((1&&(sleepers==0)))] (0:0:0 - 1)
		IfNotBlocked
		reached[2][27] = 1;
		if (!((1&&(((int)now.sleepers)==0))))
			continue;
		_m = 3; goto P999; /* 0 */
	case 27: // STATE 28 - wake.pml:118 - [hot_word = (hot_word+1)] (0:0:1 - 1)
		IfNotBlocked
		reached[2][28] = 1;
		(trpt+1)->bup.oval = ((int)now.hot_word);
		now.hot_word = (((int)now.hot_word)+1);
#ifdef VAR_RANGES
		logval("hot_word", ((int)now.hot_word));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 28: // STATE 29 - wake.pml:118 - [buffer[me]!1,hot_word] (0:0:0 - 1)
		IfNotBlocked
		reached[2][29] = 1;
		if (q_full(now.buffer[ Index(((int)((P2 *)_this)->me), 2) ]))
			continue;
#ifdef HAS_CODE
		if (readtrail && gui) {
			char simtmp[64];
			sprintf(simvals, "%d!", now.buffer[ Index(((int)((P2 *)_this)->me), 2) ]);
		sprintf(simtmp, "%d", 1); strcat(simvals, simtmp);		strcat(simvals, ",");
		sprintf(simtmp, "%d", ((int)now.hot_word)); strcat(simvals, simtmp);		}
#endif
		
		qsend(now.buffer[ Index(((int)((P2 *)_this)->me), 2) ], 0, 1, ((int)now.hot_word), 2);
		_m = 2; goto P999; /* 0 */
	case 29: // STATE 33 - wake.pml:135 - [listed = 0] (0:0:1 - 1)
		IfNotBlocked
		reached[2][33] = 1;
		(trpt+1)->bup.oval = ((int)now.listed);
		now.listed = 0;
#ifdef VAR_RANGES
		logval("listed", ((int)now.listed));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 30: // STATE 34 - wake.pml:137 - [(empty(buffer[me]))] (49:0:1 - 1)
		IfNotBlocked
		reached[2][34] = 1;
		if (!((q_len(now.buffer[ Index(((int)((P2 *)_this)->me), 2) ])==0)))
			continue;
		/* merge: ready = 0(0, 35, 49) */
		reached[2][35] = 1;
		(trpt+1)->bup.oval = ((int)now.ready);
		now.ready = 0;
#ifdef VAR_RANGES
		logval("ready", ((int)now.ready));
#endif
		;
		_m = 3; goto P999; /* 1 */
	case 31: // STATE 37 - wake.pml:140 - [((mem[0]>taken))] (0:0:0 - 1)
		IfNotBlocked
		reached[2][37] = 1;
		if (!((((int)now.mem[0])>((int)now.taken))))
			continue;
		_m = 3; goto P999; /* 0 */
	case 32: // STATE 38 - wake.pml:144 - [(empty(buffer[me]))] (46:0:2 - 1)
		IfNotBlocked
		reached[2][38] = 1;
		if (!((q_len(now.buffer[ Index(((int)((P2 *)_this)->me), 2) ])==0)))
			continue;
		/* merge: was = ready(46, 39, 46) */
		reached[2][39] = 1;
		(trpt+1)->bup.ovals = grab_ints(2);
		(trpt+1)->bup.ovals[0] = ((int)((P2 *)_this)->was);
		((P2 *)_this)->was = ((int)now.ready);
#ifdef VAR_RANGES
		logval("receiver:was", ((int)((P2 *)_this)->was));
#endif
		;
		/* merge: ready = 1(46, 40, 46) */
		reached[2][40] = 1;
		(trpt+1)->bup.ovals[1] = ((int)now.ready);
		now.ready = 1;
#ifdef VAR_RANGES
		logval("ready", ((int)now.ready));
#endif
		;
		_m = 3; goto P999; /* 2 */
	case 33: // STATE 42 - wake.pml:146 - [(!(was))] (0:0:1 - 1)
		IfNotBlocked
		reached[2][42] = 1;
		if (!( !(((int)((P2 *)_this)->was))))
			continue;
		if (TstOnly) return 1; /* TT */
		/* dead 1: was */  (trpt+1)->bup.oval = ((P2 *)_this)->was;
#ifdef HAS_CODE
		if (!readtrail)
#endif
			((P2 *)_this)->was = 0;
		_m = 3; goto P999; /* 0 */
	case 34: // STATE 43 - wake.pml:123 - [listed = 1] (0:0:1 - 1)
		IfNotBlocked
		reached[2][43] = 1;
		(trpt+1)->bup.oval = ((int)now.listed);
		now.listed = 1;
#ifdef VAR_RANGES
		logval("listed", ((int)now.listed));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 35: // STATE 60 - wake.pml:254 - [(found)] (0:0:1 - 1)
		IfNotBlocked
		reached[2][60] = 1;
		if (!(((int)((P2 *)_this)->found)))
			continue;
		if (TstOnly) return 1; /* TT */
		/* dead 1: found */  (trpt+1)->bup.oval = ((P2 *)_this)->found;
#ifdef HAS_CODE
		if (!readtrail)
#endif
			((P2 *)_this)->found = 0;
		_m = 3; goto P999; /* 0 */
	case 36: // STATE 61 - wake.pml:255 - [(!(found))] (0:0:1 - 1)
		IfNotBlocked
		reached[2][61] = 1;
		if (!( !(((int)((P2 *)_this)->found))))
			continue;
		if (TstOnly) return 1; /* TT */
		/* dead 1: found */  (trpt+1)->bup.oval = ((P2 *)_this)->found;
#ifdef HAS_CODE
		if (!readtrail)
#endif
			((P2 *)_this)->found = 0;
		_m = 3; goto P999; /* 0 */
	case 37: // STATE 64 - wake.pml:260 - [before = wake] (0:0:1 - 1)
		IfNotBlocked
		reached[2][64] = 1;
		(trpt+1)->bup.oval = ((int)((P2 *)_this)->before);
		((P2 *)_this)->before = ((int)now.wake);
#ifdef VAR_RANGES
		logval("receiver:before", ((int)((P2 *)_this)->before));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 38: // STATE 65 - wake.pml:261 - [sleepers = (sleepers+1)] (0:0:1 - 1)
		IfNotBlocked
		reached[2][65] = 1;
		(trpt+1)->bup.oval = ((int)now.sleepers);
		now.sleepers = (((int)now.sleepers)+1);
#ifdef VAR_RANGES
		logval("sleepers", ((int)now.sleepers));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 39: // STATE 66 - wake.pml:202 - [((hot_word&1))] (0:0:0 - 1)
		IfNotBlocked
		reached[2][66] = 1;
		if (!((((int)now.hot_word)&1)))
			continue;
		_m = 3; goto P999; /* 0 */
	case 40: // STATE 67 - wake.pml:118 - [hot_word = (hot_word+1)] (0:0:1 - 1)
		IfNotBlocked
		reached[2][67] = 1;
		(trpt+1)->bup.oval = ((int)now.hot_word);
		now.hot_word = (((int)now.hot_word)+1);
#ifdef VAR_RANGES
		logval("hot_word", ((int)now.hot_word));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 41: // STATE 68 - wake.pml:118 - [buffer[me]!1,hot_word] (77:0:1 - 1)
		IfNotBlocked
		reached[2][68] = 1;
		if (q_full(now.buffer[ Index(((int)((P2 *)_this)->me), 2) ]))
			continue;
#ifdef HAS_CODE
		if (readtrail && gui) {
			char simtmp[64];
			sprintf(simvals, "%d!", now.buffer[ Index(((int)((P2 *)_this)->me), 2) ]);
		sprintf(simtmp, "%d", 1); strcat(simvals, simtmp);		strcat(simvals, ",");
		sprintf(simtmp, "%d", ((int)now.hot_word)); strcat(simvals, simtmp);		}
#endif
		
		qsend(now.buffer[ Index(((int)((P2 *)_this)->me), 2) ], 0, 1, ((int)now.hot_word), 2);
		/* merge: q = 0(0, 71, 77) */
		reached[2][71] = 1;
		(trpt+1)->bup.oval = ((int)((P2 *)_this)->q);
		((P2 *)_this)->q = 0;
#ifdef VAR_RANGES
		logval("receiver:q", ((int)((P2 *)_this)->q));
#endif
		;
		/* merge: .(goto)(0, 78, 77) */
		reached[2][78] = 1;
		;
		_m = 2; goto P999; /* 2 */
	case 42: // STATE 72 - wake.pml:204 - [((q<(1+1)))] (0:0:0 - 1)
		IfNotBlocked
		reached[2][72] = 1;
		if (!((((int)((P2 *)_this)->q)<(1+1))))
			continue;
		_m = 3; goto P999; /* 0 */
	case 43: // STATE 73 - wake.pml:204 - [(empty(buffer[q]))] (0:0:0 - 1)
		IfNotBlocked
		reached[2][73] = 1;
		if (!((q_len(now.buffer[ Index(((int)((P2 *)_this)->q), 2) ])==0)))
			continue;
		_m = 3; goto P999; /* 0 */
	case 44: // STATE 74 - wake.pml:204 - [q = (q+1)] (0:0:1 - 1)
		IfNotBlocked
		reached[2][74] = 1;
		(trpt+1)->bup.oval = ((int)((P2 *)_this)->q);
		((P2 *)_this)->q = (((int)((P2 *)_this)->q)+1);
#ifdef VAR_RANGES
		logval("receiver:q", ((int)((P2 *)_this)->q));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 45: // STATE 80 - wake.pml:135 - [listed = 0] (0:0:1 - 1)
		IfNotBlocked
		reached[2][80] = 1;
		(trpt+1)->bup.oval = ((int)now.listed);
		now.listed = 0;
#ifdef VAR_RANGES
		logval("listed", ((int)now.listed));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 46: // STATE 81 - wake.pml:137 - [(empty(buffer[me]))] (96:0:1 - 1)
		IfNotBlocked
		reached[2][81] = 1;
		if (!((q_len(now.buffer[ Index(((int)((P2 *)_this)->me), 2) ])==0)))
			continue;
		/* merge: ready = 0(0, 82, 96) */
		reached[2][82] = 1;
		(trpt+1)->bup.oval = ((int)now.ready);
		now.ready = 0;
#ifdef VAR_RANGES
		logval("ready", ((int)now.ready));
#endif
		;
		_m = 3; goto P999; /* 1 */
	case 47: // STATE 84 - wake.pml:140 - [((mem[0]>taken))] (0:0:0 - 1)
		IfNotBlocked
		reached[2][84] = 1;
		if (!((((int)now.mem[0])>((int)now.taken))))
			continue;
		_m = 3; goto P999; /* 0 */
	case 48: // STATE 85 - wake.pml:144 - [(empty(buffer[me]))] (93:0:2 - 1)
		IfNotBlocked
		reached[2][85] = 1;
		if (!((q_len(now.buffer[ Index(((int)((P2 *)_this)->me), 2) ])==0)))
			continue;
		/* merge: was = ready(93, 86, 93) */
		reached[2][86] = 1;
		(trpt+1)->bup.ovals = grab_ints(2);
		(trpt+1)->bup.ovals[0] = ((int)((P2 *)_this)->was);
		((P2 *)_this)->was = ((int)now.ready);
#ifdef VAR_RANGES
		logval("receiver:was", ((int)((P2 *)_this)->was));
#endif
		;
		/* merge: ready = 1(93, 87, 93) */
		reached[2][87] = 1;
		(trpt+1)->bup.ovals[1] = ((int)now.ready);
		now.ready = 1;
#ifdef VAR_RANGES
		logval("ready", ((int)now.ready));
#endif
		;
		_m = 3; goto P999; /* 2 */
	case 49: // STATE 89 - wake.pml:146 - [(!(was))] (0:0:1 - 1)
		IfNotBlocked
		reached[2][89] = 1;
		if (!( !(((int)((P2 *)_this)->was))))
			continue;
		if (TstOnly) return 1; /* TT */
		/* dead 1: was */  (trpt+1)->bup.oval = ((P2 *)_this)->was;
#ifdef HAS_CODE
		if (!readtrail)
#endif
			((P2 *)_this)->was = 0;
		_m = 3; goto P999; /* 0 */
	case 50: // STATE 90 - wake.pml:123 - [listed = 1] (0:0:1 - 1)
		IfNotBlocked
		reached[2][90] = 1;
		(trpt+1)->bup.oval = ((int)now.listed);
		now.listed = 1;
#ifdef VAR_RANGES
		logval("listed", ((int)now.listed));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 51: // STATE 103 - wake.pml:222 - [(empty(buffer[me]))] (159:0:1 - 1)
		IfNotBlocked
		reached[2][103] = 1;
		if (!((q_len(now.buffer[ Index(((int)((P2 *)_this)->me), 2) ])==0)))
			continue;
		/* merge: armed = 1(0, 104, 159) */
		reached[2][104] = 1;
		(trpt+1)->bup.oval = ((int)now.armed);
		now.armed = 1;
#ifdef VAR_RANGES
		logval("armed", ((int)now.armed));
#endif
		;
		_m = 3; goto P999; /* 1 */
	case 52: // STATE 106 - wake.pml:157 - [found = 0] (0:0:1 - 1)
		IfNotBlocked
		reached[2][106] = 1;
		(trpt+1)->bup.oval = ((int)((P2 *)_this)->found);
		((P2 *)_this)->found = 0;
#ifdef VAR_RANGES
		logval("receiver:found", ((int)((P2 *)_this)->found));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 53: // STATE 107 - wake.pml:167 - [(stack)] (0:0:0 - 1)
		IfNotBlocked
		reached[2][107] = 1;
		if (!(((int)now.stack)))
			continue;
		_m = 3; goto P999; /* 0 */
	case 54: // STATE 108 - wake.pml:167 - [stack = 0] (0:0:1 - 1)
		IfNotBlocked
		reached[2][108] = 1;
		(trpt+1)->bup.oval = ((int)now.stack);
		now.stack = 0;
#ifdef VAR_RANGES
		logval("stack", ((int)now.stack));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 55: // STATE 109 - wake.pml:123 - [listed = 1] (0:0:1 - 1)
		IfNotBlocked
		reached[2][109] = 1;
		(trpt+1)->bup.oval = ((int)now.listed);
		now.listed = 1;
#ifdef VAR_RANGES
		logval("listed", ((int)now.listed));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 56: // STATE 114 - wake.pml:172 - [(!(listed))] (0:0:0 - 1)
		IfNotBlocked
		reached[2][114] = 1;
		if (!( !(((int)now.listed))))
			continue;
		_m = 3; goto P999; /* 0 */
	case 57: // STATE 116 - wake.pml:174 - [((listed&&(mem[0]>taken)))] (0:0:0 - 1)
		IfNotBlocked
		reached[2][116] = 1;
		if (!((((int)now.listed)&&(((int)now.mem[0])>((int)now.taken)))))
			continue;
		_m = 3; goto P999; /* 0 */
	case 58: // STATE 117 - wake.pml:175 - [taken = (taken+1)] (0:0:1 - 1)
		IfNotBlocked
		reached[2][117] = 1;
		(trpt+1)->bup.oval = ((int)now.taken);
		now.taken = (((int)now.taken)+1);
#ifdef VAR_RANGES
		logval("taken", ((int)now.taken));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 59: // STATE 118 - wake.pml:176 - [found = 1] (0:0:1 - 1)
		IfNotBlocked
		reached[2][118] = 1;
		(trpt+1)->bup.oval = ((int)((P2 *)_this)->found);
		((P2 *)_this)->found = 1;
#ifdef VAR_RANGES
		logval("receiver:found", ((int)((P2 *)_this)->found));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 60: // STATE 120 - wake.pml:178 - [(((listed&&!((mem[0]>taken)))&&(hot_word&1)))] (0:0:0 - 1)
		IfNotBlocked
		reached[2][120] = 1;
		if (!(((((int)now.listed)&& !((((int)now.mem[0])>((int)now.taken))))&&(((int)now.hot_word)&1))))
			continue;
		_m = 3; goto P999; /* 0 */
	case 61: // STATE 121 - wake.pml:186 - [(!(stack))] (0:0:0 - 1)
		IfNotBlocked
		reached[2][121] = 1;
		if (!( !(((int)now.stack))))
			continue;
		_m = 3; goto P999; /* 0 */
	case 62: // STATE 126 - wake.pml:190 - [(((listed&&!((mem[0]>taken)))&&!((hot_word&1))))] (0:0:0 - 1)
		IfNotBlocked
		reached[2][126] = 1;
		if (!(((((int)now.listed)&& !((((int)now.mem[0])>((int)now.taken))))&& !((((int)now.hot_word)&1)))))
			continue;
		_m = 3; goto P999; /* 0 */
	case 63: // STATE 127 - wake.pml:192 - [((0&&(sleepers==0)))] (0:0:0 - 1)
		IfNotBlocked
		reached[2][127] = 1;
		if (!((0&&(((int)now.sleepers)==0))))
			continue;
		_m = 3; goto P999; /* 0 */
	case 64: // STATE 128 - wake.pml:118 - [hot_word = (hot_word+1)] (0:0:1 - 1)
		IfNotBlocked
		reached[2][128] = 1;
		(trpt+1)->bup.oval = ((int)now.hot_word);
		now.hot_word = (((int)now.hot_word)+1);
#ifdef VAR_RANGES
		logval("hot_word", ((int)now.hot_word));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 65: // STATE 129 - wake.pml:118 - [buffer[me]!1,hot_word] (0:0:0 - 1)
		IfNotBlocked
		reached[2][129] = 1;
		if (q_full(now.buffer[ Index(((int)((P2 *)_this)->me), 2) ]))
			continue;
#ifdef HAS_CODE
		if (readtrail && gui) {
			char simtmp[64];
			sprintf(simvals, "%d!", now.buffer[ Index(((int)((P2 *)_this)->me), 2) ]);
		sprintf(simtmp, "%d", 1); strcat(simvals, simtmp);		strcat(simvals, ",");
		sprintf(simtmp, "%d", ((int)now.hot_word)); strcat(simvals, simtmp);		}
#endif
		
		qsend(now.buffer[ Index(((int)((P2 *)_this)->me), 2) ], 0, 1, ((int)now.hot_word), 2);
		_m = 2; goto P999; /* 0 */
	case 66: // STATE 133 - wake.pml:135 - [listed = 0] (0:0:1 - 1)
		IfNotBlocked
		reached[2][133] = 1;
		(trpt+1)->bup.oval = ((int)now.listed);
		now.listed = 0;
#ifdef VAR_RANGES
		logval("listed", ((int)now.listed));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 67: // STATE 134 - wake.pml:137 - [(empty(buffer[me]))] (149:0:1 - 1)
		IfNotBlocked
		reached[2][134] = 1;
		if (!((q_len(now.buffer[ Index(((int)((P2 *)_this)->me), 2) ])==0)))
			continue;
		/* merge: ready = 0(0, 135, 149) */
		reached[2][135] = 1;
		(trpt+1)->bup.oval = ((int)now.ready);
		now.ready = 0;
#ifdef VAR_RANGES
		logval("ready", ((int)now.ready));
#endif
		;
		_m = 3; goto P999; /* 1 */
	case 68: // STATE 137 - wake.pml:140 - [((mem[0]>taken))] (0:0:0 - 1)
		IfNotBlocked
		reached[2][137] = 1;
		if (!((((int)now.mem[0])>((int)now.taken))))
			continue;
		_m = 3; goto P999; /* 0 */
	case 69: // STATE 138 - wake.pml:144 - [(empty(buffer[me]))] (146:0:2 - 1)
		IfNotBlocked
		reached[2][138] = 1;
		if (!((q_len(now.buffer[ Index(((int)((P2 *)_this)->me), 2) ])==0)))
			continue;
		/* merge: was = ready(146, 139, 146) */
		reached[2][139] = 1;
		(trpt+1)->bup.ovals = grab_ints(2);
		(trpt+1)->bup.ovals[0] = ((int)((P2 *)_this)->was);
		((P2 *)_this)->was = ((int)now.ready);
#ifdef VAR_RANGES
		logval("receiver:was", ((int)((P2 *)_this)->was));
#endif
		;
		/* merge: ready = 1(146, 140, 146) */
		reached[2][140] = 1;
		(trpt+1)->bup.ovals[1] = ((int)now.ready);
		now.ready = 1;
#ifdef VAR_RANGES
		logval("ready", ((int)now.ready));
#endif
		;
		_m = 3; goto P999; /* 2 */
	case 70: // STATE 142 - wake.pml:146 - [(!(was))] (0:0:1 - 1)
		IfNotBlocked
		reached[2][142] = 1;
		if (!( !(((int)((P2 *)_this)->was))))
			continue;
		if (TstOnly) return 1; /* TT */
		/* dead 1: was */  (trpt+1)->bup.oval = ((P2 *)_this)->was;
#ifdef HAS_CODE
		if (!readtrail)
#endif
			((P2 *)_this)->was = 0;
		_m = 3; goto P999; /* 0 */
	case 71: // STATE 143 - wake.pml:123 - [listed = 1] (0:0:1 - 1)
		IfNotBlocked
		reached[2][143] = 1;
		(trpt+1)->bup.oval = ((int)now.listed);
		now.listed = 1;
#ifdef VAR_RANGES
		logval("listed", ((int)now.listed));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 72: // STATE 160 - wake.pml:225 - [((found||!((hot_word&1))))] (0:0:0 - 1)
		IfNotBlocked
		reached[2][160] = 1;
		if (!((((int)((P2 *)_this)->found)|| !((((int)now.hot_word)&1)))))
			continue;
		_m = 3; goto P999; /* 0 */
	case 73: // STATE 168 - wake.pml:230 - [(found)] (0:0:0 - 1)
		IfNotBlocked
		reached[2][168] = 1;
		if (!(((int)((P2 *)_this)->found)))
			continue;
		_m = 3; goto P999; /* 0 */
	case 74: // STATE 169 - wake.pml:230 - [armed = ( ((sleepers>0)) -> (armed) : (0) )] (0:0:1 - 1)
		IfNotBlocked
		reached[2][169] = 1;
		(trpt+1)->bup.oval = ((int)now.armed);
		now.armed = ( ((((int)now.sleepers)>0)) ? (((int)now.armed)) : (0) );
#ifdef VAR_RANGES
		logval("armed", ((int)now.armed));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 75: // STATE 170 - wake.pml:237 - [(empty(buffer[me]))] (177:0:2 - 1)
		IfNotBlocked
		reached[2][170] = 1;
		if (!((q_len(now.buffer[ Index(((int)((P2 *)_this)->me), 2) ])==0)))
			continue;
		/* merge: was = armed(177, 171, 177) */
		reached[2][171] = 1;
		(trpt+1)->bup.ovals = grab_ints(2);
		(trpt+1)->bup.ovals[0] = ((int)((P2 *)_this)->was);
		((P2 *)_this)->was = ((int)now.armed);
#ifdef VAR_RANGES
		logval("receiver:was", ((int)((P2 *)_this)->was));
#endif
		;
		/* merge: armed = 0(177, 172, 177) */
		reached[2][172] = 1;
		(trpt+1)->bup.ovals[1] = ((int)now.armed);
		now.armed = 0;
#ifdef VAR_RANGES
		logval("armed", ((int)now.armed));
#endif
		;
		_m = 3; goto P999; /* 2 */
	case 76: // STATE 174 - wake.pml:239 - [(was)] (0:0:1 - 1)
		IfNotBlocked
		reached[2][174] = 1;
		if (!(((int)((P2 *)_this)->was)))
			continue;
		if (TstOnly) return 1; /* TT */
		/* dead 1: was */  (trpt+1)->bup.oval = ((P2 *)_this)->was;
#ifdef HAS_CODE
		if (!readtrail)
#endif
			((P2 *)_this)->was = 0;
		_m = 3; goto P999; /* 0 */
	case 77: // STATE 175 - wake.pml:239 - [wake = (wake+1)] (0:0:1 - 1)
		IfNotBlocked
		reached[2][175] = 1;
		(trpt+1)->bup.oval = ((int)now.wake);
		now.wake = (((int)now.wake)+1);
#ifdef VAR_RANGES
		logval("wake", ((int)now.wake));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 78: // STATE 184 - wake.pml:264 - [(!(found))] (0:0:1 - 1)
		IfNotBlocked
		reached[2][184] = 1;
		if (!( !(((int)((P2 *)_this)->found))))
			continue;
		if (TstOnly) return 1; /* TT */
		/* dead 1: found */  (trpt+1)->bup.oval = ((P2 *)_this)->found;
#ifdef HAS_CODE
		if (!readtrail)
#endif
			((P2 *)_this)->found = 0;
		_m = 3; goto P999; /* 0 */
	case 79: // STATE 185 - wake.pml:214 - [(empty(buffer[me]))] (189:0:1 - 1)
		IfNotBlocked
		reached[2][185] = 1;
		if (!((q_len(now.buffer[ Index(((int)((P2 *)_this)->me), 2) ])==0)))
			continue;
		/* merge: turn = 0(0, 186, 189) */
		reached[2][186] = 1;
		(trpt+1)->bup.oval = ((int)now.turn);
		now.turn = 0;
#ifdef VAR_RANGES
		logval("turn", ((int)now.turn));
#endif
		;
		_m = 3; goto P999; /* 1 */
	case 80: // STATE 189 - wake.pml:266 - [asleep[me] = 1] (0:0:1 - 1)
		IfNotBlocked
		reached[2][189] = 1;
		(trpt+1)->bup.oval = ((int)now.asleep[ Index(((int)((P2 *)_this)->me), 2) ]);
		now.asleep[ Index(((P2 *)_this)->me, 2) ] = 1;
#ifdef VAR_RANGES
		logval("asleep[receiver:me]", ((int)now.asleep[ Index(((int)((P2 *)_this)->me), 2) ]));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 81: // STATE 190 - wake.pml:267 - [((wake!=before))] (0:0:1 - 1)
		IfNotBlocked
		reached[2][190] = 1;
		if (!((((int)now.wake)!=((int)((P2 *)_this)->before))))
			continue;
		if (TstOnly) return 1; /* TT */
		/* dead 1: before */  (trpt+1)->bup.oval = ((P2 *)_this)->before;
#ifdef HAS_CODE
		if (!readtrail)
#endif
			((P2 *)_this)->before = 0;
		_m = 3; goto P999; /* 0 */
	case 82: // STATE 191 - wake.pml:268 - [asleep[me] = 0] (0:0:1 - 1)
		IfNotBlocked
		reached[2][191] = 1;
		(trpt+1)->bup.oval = ((int)now.asleep[ Index(((int)((P2 *)_this)->me), 2) ]);
		now.asleep[ Index(((P2 *)_this)->me, 2) ] = 0;
#ifdef VAR_RANGES
		logval("asleep[receiver:me]", ((int)now.asleep[ Index(((int)((P2 *)_this)->me), 2) ]));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 83: // STATE 192 - wake.pml:213 - [(!(turn))] (249:0:1 - 1)
		IfNotBlocked
		reached[2][192] = 1;
		if (!( !(((int)now.turn))))
			continue;
		/* merge: turn = 1(0, 193, 249) */
		reached[2][193] = 1;
		(trpt+1)->bup.oval = ((int)now.turn);
		now.turn = 1;
#ifdef VAR_RANGES
		logval("turn", ((int)now.turn));
#endif
		;
		_m = 3; goto P999; /* 1 */
	case 84: // STATE 196 - wake.pml:157 - [found = 0] (0:0:1 - 1)
		IfNotBlocked
		reached[2][196] = 1;
		(trpt+1)->bup.oval = ((int)((P2 *)_this)->found);
		((P2 *)_this)->found = 0;
#ifdef VAR_RANGES
		logval("receiver:found", ((int)((P2 *)_this)->found));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 85: // STATE 197 - wake.pml:167 - [(stack)] (0:0:0 - 1)
		IfNotBlocked
		reached[2][197] = 1;
		if (!(((int)now.stack)))
			continue;
		_m = 3; goto P999; /* 0 */
	case 86: // STATE 198 - wake.pml:167 - [stack = 0] (0:0:1 - 1)
		IfNotBlocked
		reached[2][198] = 1;
		(trpt+1)->bup.oval = ((int)now.stack);
		now.stack = 0;
#ifdef VAR_RANGES
		logval("stack", ((int)now.stack));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 87: // STATE 199 - wake.pml:123 - [listed = 1] (0:0:1 - 1)
		IfNotBlocked
		reached[2][199] = 1;
		(trpt+1)->bup.oval = ((int)now.listed);
		now.listed = 1;
#ifdef VAR_RANGES
		logval("listed", ((int)now.listed));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 88: // STATE 204 - wake.pml:172 - [(!(listed))] (0:0:0 - 1)
		IfNotBlocked
		reached[2][204] = 1;
		if (!( !(((int)now.listed))))
			continue;
		_m = 3; goto P999; /* 0 */
	case 89: // STATE 206 - wake.pml:174 - [((listed&&(mem[0]>taken)))] (0:0:0 - 1)
		IfNotBlocked
		reached[2][206] = 1;
		if (!((((int)now.listed)&&(((int)now.mem[0])>((int)now.taken)))))
			continue;
		_m = 3; goto P999; /* 0 */
	case 90: // STATE 207 - wake.pml:175 - [taken = (taken+1)] (0:0:1 - 1)
		IfNotBlocked
		reached[2][207] = 1;
		(trpt+1)->bup.oval = ((int)now.taken);
		now.taken = (((int)now.taken)+1);
#ifdef VAR_RANGES
		logval("taken", ((int)now.taken));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 91: // STATE 208 - wake.pml:176 - [found = 1] (0:0:2 - 1)
		IfNotBlocked
		reached[2][208] = 1;
		(trpt+1)->bup.ovals = grab_ints(2);
		(trpt+1)->bup.ovals[0] = ((int)((P2 *)_this)->found);
		((P2 *)_this)->found = 1;
#ifdef VAR_RANGES
		logval("receiver:found", ((int)((P2 *)_this)->found));
#endif
		;
		if (TstOnly) return 1; /* TT */
		/* dead 2: found */  
#ifdef HAS_CODE
		if (!readtrail)
#endif
			((P2 *)_this)->found = 0;
		_m = 3; goto P999; /* 0 */
	case 92: // STATE 210 - wake.pml:178 - [(((listed&&!((mem[0]>taken)))&&(hot_word&1)))] (0:0:0 - 1)
		IfNotBlocked
		reached[2][210] = 1;
		if (!(((((int)now.listed)&& !((((int)now.mem[0])>((int)now.taken))))&&(((int)now.hot_word)&1))))
			continue;
		_m = 3; goto P999; /* 0 */
	case 93: // STATE 211 - wake.pml:186 - [(!(stack))] (0:0:0 - 1)
		IfNotBlocked
		reached[2][211] = 1;
		if (!( !(((int)now.stack))))
			continue;
		_m = 3; goto P999; /* 0 */
	case 94: // STATE 216 - wake.pml:190 - [(((listed&&!((mem[0]>taken)))&&!((hot_word&1))))] (0:0:0 - 1)
		IfNotBlocked
		reached[2][216] = 1;
		if (!(((((int)now.listed)&& !((((int)now.mem[0])>((int)now.taken))))&& !((((int)now.hot_word)&1)))))
			continue;
		_m = 3; goto P999; /* 0 */
	case 95: // STATE 217 - wake.pml:192 - [((0&&(sleepers==0)))] (0:0:0 - 1)
		IfNotBlocked
		reached[2][217] = 1;
		if (!((0&&(((int)now.sleepers)==0))))
			continue;
		_m = 3; goto P999; /* 0 */
	case 96: // STATE 218 - wake.pml:118 - [hot_word = (hot_word+1)] (0:0:1 - 1)
		IfNotBlocked
		reached[2][218] = 1;
		(trpt+1)->bup.oval = ((int)now.hot_word);
		now.hot_word = (((int)now.hot_word)+1);
#ifdef VAR_RANGES
		logval("hot_word", ((int)now.hot_word));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 97: // STATE 219 - wake.pml:118 - [buffer[me]!1,hot_word] (0:0:0 - 1)
		IfNotBlocked
		reached[2][219] = 1;
		if (q_full(now.buffer[ Index(((int)((P2 *)_this)->me), 2) ]))
			continue;
#ifdef HAS_CODE
		if (readtrail && gui) {
			char simtmp[64];
			sprintf(simvals, "%d!", now.buffer[ Index(((int)((P2 *)_this)->me), 2) ]);
		sprintf(simtmp, "%d", 1); strcat(simvals, simtmp);		strcat(simvals, ",");
		sprintf(simtmp, "%d", ((int)now.hot_word)); strcat(simvals, simtmp);		}
#endif
		
		qsend(now.buffer[ Index(((int)((P2 *)_this)->me), 2) ], 0, 1, ((int)now.hot_word), 2);
		_m = 2; goto P999; /* 0 */
	case 98: // STATE 223 - wake.pml:135 - [listed = 0] (0:0:1 - 1)
		IfNotBlocked
		reached[2][223] = 1;
		(trpt+1)->bup.oval = ((int)now.listed);
		now.listed = 0;
#ifdef VAR_RANGES
		logval("listed", ((int)now.listed));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 99: // STATE 224 - wake.pml:137 - [(empty(buffer[me]))] (239:0:1 - 1)
		IfNotBlocked
		reached[2][224] = 1;
		if (!((q_len(now.buffer[ Index(((int)((P2 *)_this)->me), 2) ])==0)))
			continue;
		/* merge: ready = 0(0, 225, 239) */
		reached[2][225] = 1;
		(trpt+1)->bup.oval = ((int)now.ready);
		now.ready = 0;
#ifdef VAR_RANGES
		logval("ready", ((int)now.ready));
#endif
		;
		_m = 3; goto P999; /* 1 */
	case 100: // STATE 227 - wake.pml:140 - [((mem[0]>taken))] (0:0:0 - 1)
		IfNotBlocked
		reached[2][227] = 1;
		if (!((((int)now.mem[0])>((int)now.taken))))
			continue;
		_m = 3; goto P999; /* 0 */
	case 101: // STATE 228 - wake.pml:144 - [(empty(buffer[me]))] (236:0:2 - 1)
		IfNotBlocked
		reached[2][228] = 1;
		if (!((q_len(now.buffer[ Index(((int)((P2 *)_this)->me), 2) ])==0)))
			continue;
		/* merge: was = ready(236, 229, 236) */
		reached[2][229] = 1;
		(trpt+1)->bup.ovals = grab_ints(2);
		(trpt+1)->bup.ovals[0] = ((int)((P2 *)_this)->was);
		((P2 *)_this)->was = ((int)now.ready);
#ifdef VAR_RANGES
		logval("receiver:was", ((int)((P2 *)_this)->was));
#endif
		;
		/* merge: ready = 1(236, 230, 236) */
		reached[2][230] = 1;
		(trpt+1)->bup.ovals[1] = ((int)now.ready);
		now.ready = 1;
#ifdef VAR_RANGES
		logval("ready", ((int)now.ready));
#endif
		;
		_m = 3; goto P999; /* 2 */
	case 102: // STATE 232 - wake.pml:146 - [(!(was))] (0:0:1 - 1)
		IfNotBlocked
		reached[2][232] = 1;
		if (!( !(((int)((P2 *)_this)->was))))
			continue;
		if (TstOnly) return 1; /* TT */
		/* dead 1: was */  (trpt+1)->bup.oval = ((P2 *)_this)->was;
#ifdef HAS_CODE
		if (!readtrail)
#endif
			((P2 *)_this)->was = 0;
		_m = 3; goto P999; /* 0 */
	case 103: // STATE 233 - wake.pml:123 - [listed = 1] (0:0:1 - 1)
		IfNotBlocked
		reached[2][233] = 1;
		(trpt+1)->bup.oval = ((int)now.listed);
		now.listed = 1;
#ifdef VAR_RANGES
		logval("listed", ((int)now.listed));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 104: // STATE 253 - wake.pml:273 - [sleepers = (sleepers-1)] (0:0:1 - 9)
		IfNotBlocked
		reached[2][253] = 1;
		(trpt+1)->bup.oval = ((int)now.sleepers);
		now.sleepers = (((int)now.sleepers)-1);
#ifdef VAR_RANGES
		logval("sleepers", ((int)now.sleepers));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 105: // STATE 258 - wake.pml:278 - [(((sleepers>0)&&(!(armed)||(hot_word&1))))] (0:0:0 - 1)
		IfNotBlocked
		reached[2][258] = 1;
		if (!(((((int)now.sleepers)>0)&&( !(((int)now.armed))||(((int)now.hot_word)&1)))))
			continue;
		_m = 3; goto P999; /* 0 */
	case 106: // STATE 259 - wake.pml:202 - [((hot_word&1))] (0:0:0 - 1)
		IfNotBlocked
		reached[2][259] = 1;
		if (!((((int)now.hot_word)&1)))
			continue;
		_m = 3; goto P999; /* 0 */
	case 107: // STATE 260 - wake.pml:118 - [hot_word = (hot_word+1)] (0:0:1 - 1)
		IfNotBlocked
		reached[2][260] = 1;
		(trpt+1)->bup.oval = ((int)now.hot_word);
		now.hot_word = (((int)now.hot_word)+1);
#ifdef VAR_RANGES
		logval("hot_word", ((int)now.hot_word));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 108: // STATE 261 - wake.pml:118 - [buffer[me]!1,hot_word] (270:0:1 - 1)
		IfNotBlocked
		reached[2][261] = 1;
		if (q_full(now.buffer[ Index(((int)((P2 *)_this)->me), 2) ]))
			continue;
#ifdef HAS_CODE
		if (readtrail && gui) {
			char simtmp[64];
			sprintf(simvals, "%d!", now.buffer[ Index(((int)((P2 *)_this)->me), 2) ]);
		sprintf(simtmp, "%d", 1); strcat(simvals, simtmp);		strcat(simvals, ",");
		sprintf(simtmp, "%d", ((int)now.hot_word)); strcat(simvals, simtmp);		}
#endif
		
		qsend(now.buffer[ Index(((int)((P2 *)_this)->me), 2) ], 0, 1, ((int)now.hot_word), 2);
		/* merge: q = 0(0, 264, 270) */
		reached[2][264] = 1;
		(trpt+1)->bup.oval = ((int)((P2 *)_this)->q);
		((P2 *)_this)->q = 0;
#ifdef VAR_RANGES
		logval("receiver:q", ((int)((P2 *)_this)->q));
#endif
		;
		/* merge: .(goto)(0, 271, 270) */
		reached[2][271] = 1;
		;
		_m = 2; goto P999; /* 2 */
	case 109: // STATE 265 - wake.pml:204 - [((q<(1+1)))] (0:0:0 - 1)
		IfNotBlocked
		reached[2][265] = 1;
		if (!((((int)((P2 *)_this)->q)<(1+1))))
			continue;
		_m = 3; goto P999; /* 0 */
	case 110: // STATE 266 - wake.pml:204 - [(empty(buffer[q]))] (0:0:0 - 1)
		IfNotBlocked
		reached[2][266] = 1;
		if (!((q_len(now.buffer[ Index(((int)((P2 *)_this)->q), 2) ])==0)))
			continue;
		_m = 3; goto P999; /* 0 */
	case 111: // STATE 267 - wake.pml:204 - [q = (q+1)] (0:0:1 - 1)
		IfNotBlocked
		reached[2][267] = 1;
		(trpt+1)->bup.oval = ((int)((P2 *)_this)->q);
		((P2 *)_this)->q = (((int)((P2 *)_this)->q)+1);
#ifdef VAR_RANGES
		logval("receiver:q", ((int)((P2 *)_this)->q));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 112: // STATE 273 - wake.pml:135 - [listed = 0] (0:0:1 - 1)
		IfNotBlocked
		reached[2][273] = 1;
		(trpt+1)->bup.oval = ((int)now.listed);
		now.listed = 0;
#ifdef VAR_RANGES
		logval("listed", ((int)now.listed));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 113: // STATE 274 - wake.pml:137 - [(empty(buffer[me]))] (289:0:1 - 1)
		IfNotBlocked
		reached[2][274] = 1;
		if (!((q_len(now.buffer[ Index(((int)((P2 *)_this)->me), 2) ])==0)))
			continue;
		/* merge: ready = 0(0, 275, 289) */
		reached[2][275] = 1;
		(trpt+1)->bup.oval = ((int)now.ready);
		now.ready = 0;
#ifdef VAR_RANGES
		logval("ready", ((int)now.ready));
#endif
		;
		_m = 3; goto P999; /* 1 */
	case 114: // STATE 277 - wake.pml:140 - [((mem[0]>taken))] (0:0:0 - 1)
		IfNotBlocked
		reached[2][277] = 1;
		if (!((((int)now.mem[0])>((int)now.taken))))
			continue;
		_m = 3; goto P999; /* 0 */
	case 115: // STATE 278 - wake.pml:144 - [(empty(buffer[me]))] (286:0:2 - 1)
		IfNotBlocked
		reached[2][278] = 1;
		if (!((q_len(now.buffer[ Index(((int)((P2 *)_this)->me), 2) ])==0)))
			continue;
		/* merge: was = ready(286, 279, 286) */
		reached[2][279] = 1;
		(trpt+1)->bup.ovals = grab_ints(2);
		(trpt+1)->bup.ovals[0] = ((int)((P2 *)_this)->was);
		((P2 *)_this)->was = ((int)now.ready);
#ifdef VAR_RANGES
		logval("receiver:was", ((int)((P2 *)_this)->was));
#endif
		;
		/* merge: ready = 1(286, 280, 286) */
		reached[2][280] = 1;
		(trpt+1)->bup.ovals[1] = ((int)now.ready);
		now.ready = 1;
#ifdef VAR_RANGES
		logval("ready", ((int)now.ready));
#endif
		;
		_m = 3; goto P999; /* 2 */
	case 116: // STATE 282 - wake.pml:146 - [(!(was))] (0:0:1 - 1)
		IfNotBlocked
		reached[2][282] = 1;
		if (!( !(((int)((P2 *)_this)->was))))
			continue;
		if (TstOnly) return 1; /* TT */
		/* dead 1: was */  (trpt+1)->bup.oval = ((P2 *)_this)->was;
#ifdef HAS_CODE
		if (!readtrail)
#endif
			((P2 *)_this)->was = 0;
		_m = 3; goto P999; /* 0 */
	case 117: // STATE 283 - wake.pml:123 - [listed = 1] (0:0:1 - 1)
		IfNotBlocked
		reached[2][283] = 1;
		(trpt+1)->bup.oval = ((int)now.listed);
		now.listed = 1;
#ifdef VAR_RANGES
		logval("listed", ((int)now.listed));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 118: // STATE 296 - wake.pml:280 - [(empty(buffer[me]))] (304:0:1 - 1)
		IfNotBlocked
		reached[2][296] = 1;
		if (!((q_len(now.buffer[ Index(((int)((P2 *)_this)->me), 2) ])==0)))
			continue;
		/* merge: armed = 1(0, 297, 304) */
		reached[2][297] = 1;
		(trpt+1)->bup.oval = ((int)now.armed);
		now.armed = 1;
#ifdef VAR_RANGES
		logval("armed", ((int)now.armed));
#endif
		;
		_m = 3; goto P999; /* 1 */
	case 119: // STATE 299 - wake.pml:282 - [(stack)] (0:0:0 - 1)
		IfNotBlocked
		reached[2][299] = 1;
		if (!(((int)now.stack)))
			continue;
		_m = 3; goto P999; /* 0 */
	case 120: // STATE 300 - wake.pml:282 - [stack = 0] (0:0:1 - 1)
		IfNotBlocked
		reached[2][300] = 1;
		(trpt+1)->bup.oval = ((int)now.stack);
		now.stack = 0;
#ifdef VAR_RANGES
		logval("stack", ((int)now.stack));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 121: // STATE 301 - wake.pml:123 - [listed = 1] (0:0:1 - 1)
		IfNotBlocked
		reached[2][301] = 1;
		(trpt+1)->bup.oval = ((int)now.listed);
		now.listed = 1;
#ifdef VAR_RANGES
		logval("listed", ((int)now.listed));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 122: // STATE 306 - wake.pml:286 - [((listed&&(mem[0]>taken)))] (0:0:0 - 1)
		IfNotBlocked
		reached[2][306] = 1;
		if (!((((int)now.listed)&&(((int)now.mem[0])>((int)now.taken)))))
			continue;
		_m = 3; goto P999; /* 0 */
	case 123: // STATE 307 - wake.pml:237 - [(empty(buffer[me]))] (314:0:2 - 1)
		IfNotBlocked
		reached[2][307] = 1;
		if (!((q_len(now.buffer[ Index(((int)((P2 *)_this)->me), 2) ])==0)))
			continue;
		/* merge: was = armed(314, 308, 314) */
		reached[2][308] = 1;
		(trpt+1)->bup.ovals = grab_ints(2);
		(trpt+1)->bup.ovals[0] = ((int)((P2 *)_this)->was);
		((P2 *)_this)->was = ((int)now.armed);
#ifdef VAR_RANGES
		logval("receiver:was", ((int)((P2 *)_this)->was));
#endif
		;
		/* merge: armed = 0(314, 309, 314) */
		reached[2][309] = 1;
		(trpt+1)->bup.ovals[1] = ((int)now.armed);
		now.armed = 0;
#ifdef VAR_RANGES
		logval("armed", ((int)now.armed));
#endif
		;
		_m = 3; goto P999; /* 2 */
	case 124: // STATE 311 - wake.pml:239 - [(was)] (0:0:1 - 1)
		IfNotBlocked
		reached[2][311] = 1;
		if (!(((int)((P2 *)_this)->was)))
			continue;
		if (TstOnly) return 1; /* TT */
		/* dead 1: was */  (trpt+1)->bup.oval = ((P2 *)_this)->was;
#ifdef HAS_CODE
		if (!readtrail)
#endif
			((P2 *)_this)->was = 0;
		_m = 3; goto P999; /* 0 */
	case 125: // STATE 312 - wake.pml:239 - [wake = (wake+1)] (0:0:1 - 1)
		IfNotBlocked
		reached[2][312] = 1;
		(trpt+1)->bup.oval = ((int)now.wake);
		now.wake = (((int)now.wake)+1);
#ifdef VAR_RANGES
		logval("wake", ((int)now.wake));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 126: // STATE 317 - wake.pml:287 - [((listed&&!((mem[0]>taken))))] (0:0:0 - 1)
		IfNotBlocked
		reached[2][317] = 1;
		if (!((((int)now.listed)&& !((((int)now.mem[0])>((int)now.taken))))))
			continue;
		_m = 3; goto P999; /* 0 */
	case 127: // STATE 318 - wake.pml:135 - [listed = 0] (0:0:1 - 1)
		IfNotBlocked
		reached[2][318] = 1;
		(trpt+1)->bup.oval = ((int)now.listed);
		now.listed = 0;
#ifdef VAR_RANGES
		logval("listed", ((int)now.listed));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 128: // STATE 319 - wake.pml:137 - [(empty(buffer[me]))] (334:0:1 - 1)
		IfNotBlocked
		reached[2][319] = 1;
		if (!((q_len(now.buffer[ Index(((int)((P2 *)_this)->me), 2) ])==0)))
			continue;
		/* merge: ready = 0(0, 320, 334) */
		reached[2][320] = 1;
		(trpt+1)->bup.oval = ((int)now.ready);
		now.ready = 0;
#ifdef VAR_RANGES
		logval("ready", ((int)now.ready));
#endif
		;
		_m = 3; goto P999; /* 1 */
	case 129: // STATE 322 - wake.pml:140 - [((mem[0]>taken))] (0:0:0 - 1)
		IfNotBlocked
		reached[2][322] = 1;
		if (!((((int)now.mem[0])>((int)now.taken))))
			continue;
		_m = 3; goto P999; /* 0 */
	case 130: // STATE 323 - wake.pml:144 - [(empty(buffer[me]))] (331:0:2 - 1)
		IfNotBlocked
		reached[2][323] = 1;
		if (!((q_len(now.buffer[ Index(((int)((P2 *)_this)->me), 2) ])==0)))
			continue;
		/* merge: was = ready(331, 324, 331) */
		reached[2][324] = 1;
		(trpt+1)->bup.ovals = grab_ints(2);
		(trpt+1)->bup.ovals[0] = ((int)((P2 *)_this)->was);
		((P2 *)_this)->was = ((int)now.ready);
#ifdef VAR_RANGES
		logval("receiver:was", ((int)((P2 *)_this)->was));
#endif
		;
		/* merge: ready = 1(331, 325, 331) */
		reached[2][325] = 1;
		(trpt+1)->bup.ovals[1] = ((int)now.ready);
		now.ready = 1;
#ifdef VAR_RANGES
		logval("ready", ((int)now.ready));
#endif
		;
		_m = 3; goto P999; /* 2 */
	case 131: // STATE 327 - wake.pml:146 - [(!(was))] (0:0:1 - 1)
		IfNotBlocked
		reached[2][327] = 1;
		if (!( !(((int)((P2 *)_this)->was))))
			continue;
		if (TstOnly) return 1; /* TT */
		/* dead 1: was */  (trpt+1)->bup.oval = ((P2 *)_this)->was;
#ifdef HAS_CODE
		if (!readtrail)
#endif
			((P2 *)_this)->was = 0;
		_m = 3; goto P999; /* 0 */
	case 132: // STATE 328 - wake.pml:123 - [listed = 1] (0:0:1 - 1)
		IfNotBlocked
		reached[2][328] = 1;
		(trpt+1)->bup.oval = ((int)now.listed);
		now.listed = 1;
#ifdef VAR_RANGES
		logval("listed", ((int)now.listed));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 133: // STATE 337 - wake.pml:290 - [(listed)] (0:0:0 - 1)
		IfNotBlocked
		reached[2][337] = 1;
		if (!(((int)now.listed)))
			continue;
		_m = 3; goto P999; /* 0 */
	case 134: // STATE 338 - wake.pml:237 - [(empty(buffer[me]))] (345:0:2 - 1)
		IfNotBlocked
		reached[2][338] = 1;
		if (!((q_len(now.buffer[ Index(((int)((P2 *)_this)->me), 2) ])==0)))
			continue;
		/* merge: was = armed(345, 339, 345) */
		reached[2][339] = 1;
		(trpt+1)->bup.ovals = grab_ints(2);
		(trpt+1)->bup.ovals[0] = ((int)((P2 *)_this)->was);
		((P2 *)_this)->was = ((int)now.armed);
#ifdef VAR_RANGES
		logval("receiver:was", ((int)((P2 *)_this)->was));
#endif
		;
		/* merge: armed = 0(345, 340, 345) */
		reached[2][340] = 1;
		(trpt+1)->bup.ovals[1] = ((int)now.armed);
		now.armed = 0;
#ifdef VAR_RANGES
		logval("armed", ((int)now.armed));
#endif
		;
		_m = 3; goto P999; /* 2 */
	case 135: // STATE 342 - wake.pml:239 - [(was)] (0:0:1 - 1)
		IfNotBlocked
		reached[2][342] = 1;
		if (!(((int)((P2 *)_this)->was)))
			continue;
		if (TstOnly) return 1; /* TT */
		/* dead 1: was */  (trpt+1)->bup.oval = ((P2 *)_this)->was;
#ifdef HAS_CODE
		if (!readtrail)
#endif
			((P2 *)_this)->was = 0;
		_m = 3; goto P999; /* 0 */
	case 136: // STATE 343 - wake.pml:239 - [wake = (wake+1)] (0:0:1 - 1)
		IfNotBlocked
		reached[2][343] = 1;
		(trpt+1)->bup.oval = ((int)now.wake);
		now.wake = (((int)now.wake)+1);
#ifdef VAR_RANGES
		logval("wake", ((int)now.wake));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 137: // STATE 357 - wake.pml:214 - [(empty(buffer[me]))] (363:0:1 - 1)
		IfNotBlocked
		reached[2][357] = 1;
		if (!((q_len(now.buffer[ Index(((int)((P2 *)_this)->me), 2) ])==0)))
			continue;
		/* merge: turn = 0(0, 358, 363) */
		reached[2][358] = 1;
		(trpt+1)->bup.oval = ((int)now.turn);
		now.turn = 0;
#ifdef VAR_RANGES
		logval("turn", ((int)now.turn));
#endif
		;
		/* merge: .(goto)(0, 364, 363) */
		reached[2][364] = 1;
		;
		_m = 3; goto P999; /* 2 */
	case 138: // STATE 366 - wake.pml:300 - [-end-] (0:0:0 - 3)
		IfNotBlocked
		reached[2][366] = 1;
		if (!delproc(1, II)) continue;
		_m = 3; goto P999; /* 0 */

		 /* PROC sender */
	case 139: // STATE 1 - wake.pml:99 - [((n<3))] (3:0:1 - 1)
		IfNotBlocked
		reached[1][1] = 1;
		if (!((((int)((P1 *)_this)->n)<3)))
			continue;
		/* merge: n = (n+1)(0, 2, 3) */
		reached[1][2] = 1;
		(trpt+1)->bup.oval = ((int)((P1 *)_this)->n);
		((P1 *)_this)->n = (((int)((P1 *)_this)->n)+1);
#ifdef VAR_RANGES
		logval("sender:n", ((int)((P1 *)_this)->n));
#endif
		;
		_m = 3; goto P999; /* 1 */
	case 140: // STATE 3 - wake.pml:101 - [buffer[me]!0,n] (0:0:0 - 1)
		IfNotBlocked
		reached[1][3] = 1;
		if (q_full(now.buffer[ Index(((int)((P1 *)_this)->me), 2) ]))
			continue;
#ifdef HAS_CODE
		if (readtrail && gui) {
			char simtmp[64];
			sprintf(simvals, "%d!", now.buffer[ Index(((int)((P1 *)_this)->me), 2) ]);
		sprintf(simtmp, "%d", 0); strcat(simvals, simtmp);		strcat(simvals, ",");
		sprintf(simtmp, "%d", ((int)((P1 *)_this)->n)); strcat(simvals, simtmp);		}
#endif
		
		qsend(now.buffer[ Index(((int)((P1 *)_this)->me), 2) ], 0, 0, ((int)((P1 *)_this)->n), 2);
		_m = 2; goto P999; /* 0 */
	case 141: // STATE 4 - wake.pml:102 - [hot = mem[1]] (0:0:1 - 1)
		IfNotBlocked
		reached[1][4] = 1;
		(trpt+1)->bup.oval = ((int)((P1 *)_this)->hot);
		((P1 *)_this)->hot = ((int)now.mem[1]);
#ifdef VAR_RANGES
		logval("sender:hot", ((int)((P1 *)_this)->hot));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 142: // STATE 5 - wake.pml:104 - [((hot&1))] (0:0:1 - 1)
		IfNotBlocked
		reached[1][5] = 1;
		if (!((((int)((P1 *)_this)->hot)&1)))
			continue;
		if (TstOnly) return 1; /* TT */
		/* dead 1: hot */  (trpt+1)->bup.oval = ((P1 *)_this)->hot;
#ifdef HAS_CODE
		if (!readtrail)
#endif
			((P1 *)_this)->hot = 0;
		_m = 3; goto P999; /* 0 */
	case 143: // STATE 6 - wake.pml:109 - [(!((hot&1)))] (0:0:1 - 1)
		IfNotBlocked
		reached[1][6] = 1;
		if (!( !((((int)((P1 *)_this)->hot)&1))))
			continue;
		if (TstOnly) return 1; /* TT */
		/* dead 1: hot */  (trpt+1)->bup.oval = ((P1 *)_this)->hot;
#ifdef HAS_CODE
		if (!readtrail)
#endif
			((P1 *)_this)->hot = 0;
		_m = 3; goto P999; /* 0 */
	case 144: // STATE 7 - wake.pml:79 - [(empty(buffer[me]))] (22:0:2 - 1)
		IfNotBlocked
		reached[1][7] = 1;
		if (!((q_len(now.buffer[ Index(((int)((P1 *)_this)->me), 2) ])==0)))
			continue;
		/* merge: was = ready(22, 8, 22) */
		reached[1][8] = 1;
		(trpt+1)->bup.ovals = grab_ints(2);
		(trpt+1)->bup.ovals[0] = ((int)((P1 *)_this)->was);
		((P1 *)_this)->was = ((int)now.ready);
#ifdef VAR_RANGES
		logval("sender:was", ((int)((P1 *)_this)->was));
#endif
		;
		/* merge: ready = 1(22, 9, 22) */
		reached[1][9] = 1;
		(trpt+1)->bup.ovals[1] = ((int)now.ready);
		now.ready = 1;
#ifdef VAR_RANGES
		logval("ready", ((int)now.ready));
#endif
		;
		_m = 3; goto P999; /* 2 */
	case 145: // STATE 11 - wake.pml:81 - [(!(was))] (0:0:1 - 1)
		IfNotBlocked
		reached[1][11] = 1;
		if (!( !(((int)((P1 *)_this)->was))))
			continue;
		if (TstOnly) return 1; /* TT */
		/* dead 1: was */  (trpt+1)->bup.oval = ((P1 *)_this)->was;
#ifdef HAS_CODE
		if (!readtrail)
#endif
			((P1 *)_this)->was = 0;
		_m = 3; goto P999; /* 0 */
	case 146: // STATE 12 - wake.pml:82 - [stack = 1] (0:0:1 - 1)
		IfNotBlocked
		reached[1][12] = 1;
		(trpt+1)->bup.oval = ((int)now.stack);
		now.stack = 1;
#ifdef VAR_RANGES
		logval("stack", ((int)now.stack));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 147: // STATE 13 - wake.pml:83 - [was = armed] (0:19:2 - 1)
		IfNotBlocked
		reached[1][13] = 1;
		(trpt+1)->bup.ovals = grab_ints(2);
		(trpt+1)->bup.ovals[0] = ((int)((P1 *)_this)->was);
		((P1 *)_this)->was = ((int)now.armed);
#ifdef VAR_RANGES
		logval("sender:was", ((int)((P1 *)_this)->was));
#endif
		;
		/* merge: armed = 0(19, 14, 19) */
		reached[1][14] = 1;
		(trpt+1)->bup.ovals[1] = ((int)now.armed);
		now.armed = 0;
#ifdef VAR_RANGES
		logval("armed", ((int)now.armed));
#endif
		;
		_m = 3; goto P999; /* 1 */
	case 148: // STATE 16 - wake.pml:85 - [(was)] (0:0:1 - 1)
		IfNotBlocked
		reached[1][16] = 1;
		if (!(((int)((P1 *)_this)->was)))
			continue;
		if (TstOnly) return 1; /* TT */
		/* dead 1: was */  (trpt+1)->bup.oval = ((P1 *)_this)->was;
#ifdef HAS_CODE
		if (!readtrail)
#endif
			((P1 *)_this)->was = 0;
		_m = 3; goto P999; /* 0 */
	case 149: // STATE 17 - wake.pml:85 - [wake = (wake+1)] (0:0:1 - 1)
		IfNotBlocked
		reached[1][17] = 1;
		(trpt+1)->bup.oval = ((int)now.wake);
		now.wake = (((int)now.wake)+1);
#ifdef VAR_RANGES
		logval("wake", ((int)now.wake));
#endif
		;
		_m = 3; goto P999; /* 0 */
	case 150: // STATE 32 - wake.pml:114 - [-end-] (0:0:0 - 3)
		IfNotBlocked
		reached[1][32] = 1;
		if (!delproc(1, II)) continue;
		_m = 3; goto P999; /* 0 */

		 /* PROC drain_buffer */
	case 151: // STATE 1 - wake.pml:64 - [buffer[me]?word,value] (4:0:3 - 1)
		reached[0][1] = 1;
		if (q_len(now.buffer[ Index(((int)((P0 *)_this)->me), 2) ]) == 0) continue;

		XX=1;
		(trpt+1)->bup.ovals = grab_ints(3);
		(trpt+1)->bup.ovals[0] = ((int)((P0 *)_this)->word);
		(trpt+1)->bup.ovals[1] = ((int)((P0 *)_this)->value);
		;
		((P0 *)_this)->word = qrecv(now.buffer[ Index(((int)((P0 *)_this)->me), 2) ], XX-1, 0, 0);
#ifdef VAR_RANGES
		logval("drain_buffer:word", ((int)((P0 *)_this)->word));
#endif
		;
		((P0 *)_this)->value = qrecv(now.buffer[ Index(((int)((P0 *)_this)->me), 2) ], XX-1, 1, 1);
#ifdef VAR_RANGES
		logval("drain_buffer:value", ((int)((P0 *)_this)->value));
#endif
		;
		
#ifdef HAS_CODE
		if (readtrail && gui) {
			char simtmp[32];
			sprintf(simvals, "%d?", now.buffer[ Index(((int)((P0 *)_this)->me), 2) ]);
		sprintf(simtmp, "%d", ((int)((P0 *)_this)->word)); strcat(simvals, simtmp);		strcat(simvals, ",");
		sprintf(simtmp, "%d", ((int)((P0 *)_this)->value)); strcat(simvals, simtmp);		}
#endif
		;
		/* merge: mem[word] = value(0, 2, 4) */
		reached[0][2] = 1;
		(trpt+1)->bup.ovals[2] = ((int)now.mem[ Index(((int)((P0 *)_this)->word), 4) ]);
		now.mem[ Index(((P0 *)_this)->word, 4) ] = ((int)((P0 *)_this)->value);
#ifdef VAR_RANGES
		logval("mem[drain_buffer:word]", ((int)now.mem[ Index(((int)((P0 *)_this)->word), 4) ]));
#endif
		;
		/* merge: .(goto)(0, 5, 4) */
		reached[0][5] = 1;
		;
		_m = 4; goto P999; /* 2 */
	case 152: // STATE 7 - wake.pml:66 - [-end-] (0:0:0 - 1)
		IfNotBlocked
		reached[0][7] = 1;
		if (!delproc(1, II)) continue;
		_m = 3; goto P999; /* 0 */
	case  _T5:	/* np_ */
		if (!((!(trpt->o_pm&4) && !(trpt->tau&128))))
			continue;
		/* else fall through */
	case  _T2:	/* true */
		_m = 3; goto P999;
#undef rand
	}

