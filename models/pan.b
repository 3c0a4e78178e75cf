	switch (t->back) {
	default: Uerror("bad return move");
	case  0: goto R999; /* nothing to undo */

		 /* PROC :init: */

	case 3: // STATE 1
		;
		;
		delproc(0, now._nr_pr-1);
		;
		goto R999;

	case 4: // STATE 2
		;
		((P3 *)_this)->i = trpt->bup.oval;
		;
		goto R999;
;
		;
		
	case 6: // STATE 4
		;
		;
		delproc(0, now._nr_pr-1);
		;
		goto R999;

	case 7: // STATE 5
		;
		((P3 *)_this)->i = trpt->bup.oval;
		;
		goto R999;
;
		;
		
	case 9: // STATE 13
		;
		((P3 *)_this)->i = trpt->bup.oval;
		;
		goto R999;
;
		;
		;
		;
		
	case 12: // STATE 16
		;
		((P3 *)_this)->i = trpt->bup.oval;
		;
		goto R999;

	case 13: // STATE 22
		;
		p_restor(II);
		;
		;
		goto R999;

		 /* PROC receiver */

	case 14: // STATE 3
		;
		now.turn = trpt->bup.oval;
		;
		goto R999;

	case 15: // STATE 6
		;
		((P2 *)_this)->found = trpt->bup.oval;
		;
		goto R999;
;
		;
		
	case 17: // STATE 8
		;
		now.stack = trpt->bup.oval;
		;
		goto R999;

	case 18: // STATE 9
		;
		now.listed = trpt->bup.oval;
		;
		goto R999;
;
		;
		;
		;
		
	case 21: // STATE 17
		;
		now.taken = trpt->bup.oval;
		;
		goto R999;

	case 22: // STATE 18
		;
		((P2 *)_this)->found = trpt->bup.oval;
		;
		goto R999;
;
		;
		;
		;
		;
		;
		;
		;
		
	case 27: // STATE 28
		;
		now.hot_word = trpt->bup.oval;
		;
		goto R999;

	case 28: // STATE 29
		;
		_m = unsend(now.buffer[ Index(((int)((P2 *)_this)->me), 2) ]);
		;
		goto R999;

	case 29: // STATE 33
		;
		now.listed = trpt->bup.oval;
		;
		goto R999;

	case 30: // STATE 35
		;
		now.ready = trpt->bup.oval;
		;
		goto R999;
;
		;
		
	case 32: // STATE 40
		;
		now.ready = trpt->bup.ovals[1];
		((P2 *)_this)->was = trpt->bup.ovals[0];
		;
		ungrab_ints(trpt->bup.ovals, 2);
		goto R999;

	case 33: // STATE 42
		;
	/* 0 */	((P2 *)_this)->was = trpt->bup.oval;
		;
		;
		goto R999;

	case 34: // STATE 43
		;
		now.listed = trpt->bup.oval;
		;
		goto R999;

	case 35: // STATE 60
		;
	/* 0 */	((P2 *)_this)->found = trpt->bup.oval;
		;
		;
		goto R999;

	case 36: // STATE 61
		;
	/* 0 */	((P2 *)_this)->found = trpt->bup.oval;
		;
		;
		goto R999;

	case 37: // STATE 64
		;
		((P2 *)_this)->before = trpt->bup.oval;
		;
		goto R999;

	case 38: // STATE 65
		;
		now.sleepers = trpt->bup.oval;
		;
		goto R999;
;
		;
		
	case 40: // STATE 67
		;
		now.hot_word = trpt->bup.oval;
		;
		goto R999;

	case 41: // STATE 71
		;
		((P2 *)_this)->q = trpt->bup.oval;
		_m = unsend(now.buffer[ Index(((int)((P2 *)_this)->me), 2) ]);
		;
		goto R999;
;
		;
		;
		;
		
	case 44: // STATE 74
		;
		((P2 *)_this)->q = trpt->bup.oval;
		;
		goto R999;

	case 45: // STATE 80
		;
		now.listed = trpt->bup.oval;
		;
		goto R999;

	case 46: // STATE 82
		;
		now.ready = trpt->bup.oval;
		;
		goto R999;
;
		;
		
	case 48: // STATE 87
		;
		now.ready = trpt->bup.ovals[1];
		((P2 *)_this)->was = trpt->bup.ovals[0];
		;
		ungrab_ints(trpt->bup.ovals, 2);
		goto R999;

	case 49: // STATE 89
		;
	/* 0 */	((P2 *)_this)->was = trpt->bup.oval;
		;
		;
		goto R999;

	case 50: // STATE 90
		;
		now.listed = trpt->bup.oval;
		;
		goto R999;

	case 51: // STATE 104
		;
		now.armed = trpt->bup.oval;
		;
		goto R999;

	case 52: // STATE 106
		;
		((P2 *)_this)->found = trpt->bup.oval;
		;
		goto R999;
;
		;
		
	case 54: // STATE 108
		;
		now.stack = trpt->bup.oval;
		;
		goto R999;

	case 55: // STATE 109
		;
		now.listed = trpt->bup.oval;
		;
		goto R999;
;
		;
		;
		;
		
	case 58: // STATE 117
		;
		now.taken = trpt->bup.oval;
		;
		goto R999;

	case 59: // STATE 118
		;
		((P2 *)_this)->found = trpt->bup.oval;
		;
		goto R999;
;
		;
		;
		;
		;
		;
		;
		;
		
	case 64: // STATE 128
		;
		now.hot_word = trpt->bup.oval;
		;
		goto R999;

	case 65: // STATE 129
		;
		_m = unsend(now.buffer[ Index(((int)((P2 *)_this)->me), 2) ]);
		;
		goto R999;

	case 66: // STATE 133
		;
		now.listed = trpt->bup.oval;
		;
		goto R999;

	case 67: // STATE 135
		;
		now.ready = trpt->bup.oval;
		;
		goto R999;
;
		;
		
	case 69: // STATE 140
		;
		now.ready = trpt->bup.ovals[1];
		((P2 *)_this)->was = trpt->bup.ovals[0];
		;
		ungrab_ints(trpt->bup.ovals, 2);
		goto R999;

	case 70: // STATE 142
		;
	/* 0 */	((P2 *)_this)->was = trpt->bup.oval;
		;
		;
		goto R999;

	case 71: // STATE 143
		;
		now.listed = trpt->bup.oval;
		;
		goto R999;
;
		;
		;
		;
		
	case 74: // STATE 169
		;
		now.armed = trpt->bup.oval;
		;
		goto R999;

	case 75: // STATE 172
		;
		now.armed = trpt->bup.ovals[1];
		((P2 *)_this)->was = trpt->bup.ovals[0];
		;
		ungrab_ints(trpt->bup.ovals, 2);
		goto R999;

	case 76: // STATE 174
		;
	/* 0 */	((P2 *)_this)->was = trpt->bup.oval;
		;
		;
		goto R999;

	case 77: // STATE 175
		;
		now.wake = trpt->bup.oval;
		;
		goto R999;

	case 78: // STATE 184
		;
	/* 0 */	((P2 *)_this)->found = trpt->bup.oval;
		;
		;
		goto R999;

	case 79: // STATE 186
		;
		now.turn = trpt->bup.oval;
		;
		goto R999;

	case 80: // STATE 189
		;
		now.asleep[ Index(((P2 *)_this)->me, 2) ] = trpt->bup.oval;
		;
		goto R999;

	case 81: // STATE 190
		;
	/* 0 */	((P2 *)_this)->before = trpt->bup.oval;
		;
		;
		goto R999;

	case 82: // STATE 191
		;
		now.asleep[ Index(((P2 *)_this)->me, 2) ] = trpt->bup.oval;
		;
		goto R999;

	case 83: // STATE 193
		;
		now.turn = trpt->bup.oval;
		;
		goto R999;

	case 84: // STATE 196
		;
		((P2 *)_this)->found = trpt->bup.oval;
		;
		goto R999;
;
		;
		
	case 86: // STATE 198
		;
		now.stack = trpt->bup.oval;
		;
		goto R999;

	case 87: // STATE 199
		;
		now.listed = trpt->bup.oval;
		;
		goto R999;
;
		;
		;
		;
		
	case 90: // STATE 207
		;
		now.taken = trpt->bup.oval;
		;
		goto R999;

	case 91: // STATE 208
		;
		((P2 *)_this)->found = trpt->bup.ovals[0];
		;
		ungrab_ints(trpt->bup.ovals, 2);
		goto R999;
;
		;
		;
		;
		;
		;
		;
		;
		
	case 96: // STATE 218
		;
		now.hot_word = trpt->bup.oval;
		;
		goto R999;

	case 97: // STATE 219
		;
		_m = unsend(now.buffer[ Index(((int)((P2 *)_this)->me), 2) ]);
		;
		goto R999;

	case 98: // STATE 223
		;
		now.listed = trpt->bup.oval;
		;
		goto R999;

	case 99: // STATE 225
		;
		now.ready = trpt->bup.oval;
		;
		goto R999;
;
		;
		
	case 101: // STATE 230
		;
		now.ready = trpt->bup.ovals[1];
		((P2 *)_this)->was = trpt->bup.ovals[0];
		;
		ungrab_ints(trpt->bup.ovals, 2);
		goto R999;

	case 102: // STATE 232
		;
	/* 0 */	((P2 *)_this)->was = trpt->bup.oval;
		;
		;
		goto R999;

	case 103: // STATE 233
		;
		now.listed = trpt->bup.oval;
		;
		goto R999;

	case 104: // STATE 253
		;
		now.sleepers = trpt->bup.oval;
		;
		goto R999;
;
		;
		;
		;
		
	case 107: // STATE 260
		;
		now.hot_word = trpt->bup.oval;
		;
		goto R999;

	case 108: // STATE 264
		;
		((P2 *)_this)->q = trpt->bup.oval;
		_m = unsend(now.buffer[ Index(((int)((P2 *)_this)->me), 2) ]);
		;
		goto R999;
;
		;
		;
		;
		
	case 111: // STATE 267
		;
		((P2 *)_this)->q = trpt->bup.oval;
		;
		goto R999;

	case 112: // STATE 273
		;
		now.listed = trpt->bup.oval;
		;
		goto R999;

	case 113: // STATE 275
		;
		now.ready = trpt->bup.oval;
		;
		goto R999;
;
		;
		
	case 115: // STATE 280
		;
		now.ready = trpt->bup.ovals[1];
		((P2 *)_this)->was = trpt->bup.ovals[0];
		;
		ungrab_ints(trpt->bup.ovals, 2);
		goto R999;

	case 116: // STATE 282
		;
	/* 0 */	((P2 *)_this)->was = trpt->bup.oval;
		;
		;
		goto R999;

	case 117: // STATE 283
		;
		now.listed = trpt->bup.oval;
		;
		goto R999;

	case 118: // STATE 297
		;
		now.armed = trpt->bup.oval;
		;
		goto R999;
;
		;
		
	case 120: // STATE 300
		;
		now.stack = trpt->bup.oval;
		;
		goto R999;

	case 121: // STATE 301
		;
		now.listed = trpt->bup.oval;
		;
		goto R999;
;
		;
		
	case 123: // STATE 309
		;
		now.armed = trpt->bup.ovals[1];
		((P2 *)_this)->was = trpt->bup.ovals[0];
		;
		ungrab_ints(trpt->bup.ovals, 2);
		goto R999;

	case 124: // STATE 311
		;
	/* 0 */	((P2 *)_this)->was = trpt->bup.oval;
		;
		;
		goto R999;

	case 125: // STATE 312
		;
		now.wake = trpt->bup.oval;
		;
		goto R999;
;
		;
		
	case 127: // STATE 318
		;
		now.listed = trpt->bup.oval;
		;
		goto R999;

	case 128: // STATE 320
		;
		now.ready = trpt->bup.oval;
		;
		goto R999;
;
		;
		
	case 130: // STATE 325
		;
		now.ready = trpt->bup.ovals[1];
		((P2 *)_this)->was = trpt->bup.ovals[0];
		;
		ungrab_ints(trpt->bup.ovals, 2);
		goto R999;

	case 131: // STATE 327
		;
	/* 0 */	((P2 *)_this)->was = trpt->bup.oval;
		;
		;
		goto R999;

	case 132: // STATE 328
		;
		now.listed = trpt->bup.oval;
		;
		goto R999;
;
		;
		
	case 134: // STATE 340
		;
		now.armed = trpt->bup.ovals[1];
		((P2 *)_this)->was = trpt->bup.ovals[0];
		;
		ungrab_ints(trpt->bup.ovals, 2);
		goto R999;

	case 135: // STATE 342
		;
	/* 0 */	((P2 *)_this)->was = trpt->bup.oval;
		;
		;
		goto R999;

	case 136: // STATE 343
		;
		now.wake = trpt->bup.oval;
		;
		goto R999;

	case 137: // STATE 358
		;
		now.turn = trpt->bup.oval;
		;
		goto R999;

	case 138: // STATE 366
		;
		p_restor(II);
		;
		;
		goto R999;

		 /* PROC sender */

	case 139: // STATE 2
		;
		((P1 *)_this)->n = trpt->bup.oval;
		;
		goto R999;

	case 140: // STATE 3
		;
		_m = unsend(now.buffer[ Index(((int)((P1 *)_this)->me), 2) ]);
		;
		goto R999;

	case 141: // STATE 4
		;
		((P1 *)_this)->hot = trpt->bup.oval;
		;
		goto R999;

	case 142: // STATE 5
		;
	/* 0 */	((P1 *)_this)->hot = trpt->bup.oval;
		;
		;
		goto R999;

	case 143: // STATE 6
		;
	/* 0 */	((P1 *)_this)->hot = trpt->bup.oval;
		;
		;
		goto R999;

	case 144: // STATE 9
		;
		now.ready = trpt->bup.ovals[1];
		((P1 *)_this)->was = trpt->bup.ovals[0];
		;
		ungrab_ints(trpt->bup.ovals, 2);
		goto R999;

	case 145: // STATE 11
		;
	/* 0 */	((P1 *)_this)->was = trpt->bup.oval;
		;
		;
		goto R999;

	case 146: // STATE 12
		;
		now.stack = trpt->bup.oval;
		;
		goto R999;

	case 147: // STATE 14
		;
		now.armed = trpt->bup.ovals[1];
		((P1 *)_this)->was = trpt->bup.ovals[0];
		;
		ungrab_ints(trpt->bup.ovals, 2);
		goto R999;

	case 148: // STATE 16
		;
	/* 0 */	((P1 *)_this)->was = trpt->bup.oval;
		;
		;
		goto R999;

	case 149: // STATE 17
		;
		now.wake = trpt->bup.oval;
		;
		goto R999;

	case 150: // STATE 32
		;
		p_restor(II);
		;
		;
		goto R999;

		 /* PROC drain_buffer */

	case 151: // STATE 2
		;
		now.mem[ Index(((P0 *)_this)->word, 4) ] = trpt->bup.ovals[2];
		XX = 1;
		unrecv(now.buffer[ Index(((int)((P0 *)_this)->me), 2) ], XX-1, 0, ((int)((P0 *)_this)->word), 1);
		unrecv(now.buffer[ Index(((int)((P0 *)_this)->me), 2) ], XX-1, 1, ((int)((P0 *)_this)->value), 0);
		((P0 *)_this)->word = trpt->bup.ovals[0];
		((P0 *)_this)->value = trpt->bup.ovals[1];
		;
		;
		ungrab_ints(trpt->bup.ovals, 3);
		goto R999;

	case 152: // STATE 7
		;
		p_restor(II);
		;
		;
		goto R999;
	}

